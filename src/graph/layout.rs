//! Names and arrows → places on a page: a layered drawing from left (who calls) to right (who is called), as Sugiyama, Tagawa and Toda describe it
//! (1981): cycles are broken, ranks are longest paths, long arrows bend at every rank, and rows are ordered by the mean of their neighbours. Pure.

use std::collections::BTreeMap;

/// Space between two columns, in pixels: room for the arrows.
const COLUMN_GAP: f64 = 110.0;
/// Space between two rows, in pixels.
const ROW_GAP: f64 = 26.0;
/// Height of a box, in pixels.
const BOX_HEIGHT: f64 = 40.0;
/// Space around the drawing, in pixels.
const MARGIN: f64 = 20.0;
/// Height that an arrow passing a rank takes, in pixels.
const BEND_HEIGHT: f64 = 14.0;
/// Sweeps of ordering and of straightening.
const SWEEPS: usize = 10;

/// A drawing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    /// Boxes, in the order of the names.
    pub boxes: Vec<Box>,
    /// Arrows, in the order in which they were given; the points lie from source to target.
    pub arrows: Vec<Vec<(f64, f64)>>,
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
}

/// A box: its left upper corner and size in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Box {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// A place in a rank: a box, or the bend of a long arrow.
#[derive(Debug, Clone, Copy)]
struct Slot {
    rank: usize,
    height: f64,
    /// Top, in pixels.
    y: f64,
}

/// Lays out boxes of the given widths (pixels) and arrows between their indices. Boxes never overlap; an arrow from a box to itself is an empty list of points.
///
/// # Panics
/// Never for indices below `widths.len()`.
#[must_use]
pub fn layout(widths: &[f64], arrows: &[(usize, usize)]) -> Layout {
    let forward = acyclic(widths.len(), arrows);
    let ranks = ranks(widths.len(), &forward);
    let mut slots: Vec<Slot> = ranks
        .iter()
        .map(|rank| Slot {
            rank: *rank,
            height: BOX_HEIGHT,
            y: 0.0,
        })
        .collect();
    let chains = chains(&forward, &mut slots);
    let mut columns = columns(&slots);
    let (before, after) = neighbours(slots.len(), &chains);
    order(&mut columns, &before, &after);
    place(&mut slots, &columns, &before, &after);
    draw(widths, arrows, &slots, &columns, &chains)
}

/// The arrows with those turned round that close a cycle; arrows to oneself are left out (`None`).
fn acyclic(count: usize, arrows: &[(usize, usize)]) -> Vec<Option<(usize, usize)>> {
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (from, to) in arrows.iter().filter(|(from, to)| from != to) {
        out[*from].push(*to);
    }
    // Depth-first from those that nobody calls; an arrow to a box that is still open closes a cycle.
    let mut incoming = vec![0_usize; count];
    out.iter().flatten().for_each(|to| incoming[*to] += 1);
    let mut starts: Vec<usize> = (0..count).collect();
    starts.sort_by_key(|index| (incoming[*index], *index));
    let mut closed_at = vec![usize::MAX; count];
    let (mut state, mut clock) = (vec![0_u8; count], 0);
    for start in starts {
        let mut stack = vec![(start, 0)];
        while let Some((node, next)) = stack.pop() {
            if next == 0 && state[node] != 0 {
                continue;
            }
            state[node] = 1;
            if let Some(to) = out[node].get(next) {
                stack.push((node, next + 1));
                if state[*to] == 0 {
                    stack.push((*to, 0));
                }
            } else {
                state[node] = 2;
                closed_at[node] = clock;
                clock += 1;
            }
        }
    }
    // In an acyclic graph a caller closes after whom it calls.
    arrows
        .iter()
        .map(|(from, to)| match closed_at[*from].cmp(&closed_at[*to]) {
            std::cmp::Ordering::Greater => Some((*from, *to)),
            std::cmp::Ordering::Less => Some((*to, *from)),
            std::cmp::Ordering::Equal => None,
        })
        .collect()
}

/// Longest path from the left; a box without arrows to the left moves beside whom it calls first.
fn ranks(count: usize, forward: &[Option<(usize, usize)>]) -> Vec<usize> {
    let mut incoming = vec![0_usize; count];
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (from, to) in forward.iter().flatten() {
        out[*from].push(*to);
        incoming[*to] += 1;
    }
    let has_caller: Vec<bool> = incoming.iter().map(|number| *number > 0).collect();
    let mut ranks = vec![0_usize; count];
    let mut ready: Vec<usize> = (0..count).filter(|index| incoming[*index] == 0).collect();
    while let Some(node) = ready.pop() {
        for to in &out[node] {
            ranks[*to] = ranks[*to].max(ranks[node] + 1);
            incoming[*to] -= 1;
            if incoming[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    for node in 0..count {
        if !has_caller[node]
            && let Some(nearest) = out[node].iter().map(|to| ranks[*to]).min()
        {
            ranks[node] = nearest.saturating_sub(1);
        }
    }
    ranks
}

/// Each arrow as a chain of slots, with a new slot for every rank that it passes.
fn chains(forward: &[Option<(usize, usize)>], slots: &mut Vec<Slot>) -> Vec<Vec<usize>> {
    forward
        .iter()
        .map(|arrow| {
            let Some((from, to)) = arrow else {
                return Vec::new();
            };
            let mut chain = vec![*from];
            for rank in slots[*from].rank + 1..slots[*to].rank {
                slots.push(Slot {
                    rank,
                    height: BEND_HEIGHT,
                    y: 0.0,
                });
                chain.push(slots.len() - 1);
            }
            chain.push(*to);
            chain
        })
        .collect()
}

fn columns(slots: &[Slot]) -> Vec<Vec<usize>> {
    let mut columns = vec![Vec::new(); slots.iter().map(|slot| slot.rank + 1).max().unwrap_or(0)];
    for (index, slot) in slots.iter().enumerate() {
        columns[slot.rank].push(index);
    }
    columns
}

type Neighbours = Vec<Vec<usize>>;

fn neighbours(count: usize, chains: &[Vec<usize>]) -> (Neighbours, Neighbours) {
    let (mut before, mut after) = (vec![Vec::new(); count], vec![Vec::new(); count]);
    for pair in chains.iter().flat_map(|chain| chain.windows(2)) {
        after[pair[0]].push(pair[1]);
        before[pair[1]].push(pair[0]);
    }
    (before, after)
}

/// Orders every column by the mean position of its neighbours, sweeping right and left.
fn order(columns: &mut [Vec<usize>], before: &Neighbours, after: &Neighbours) {
    let mut position: BTreeMap<usize, f64> = BTreeMap::new();
    let remember = |column: &[usize], position: &mut BTreeMap<usize, f64>| {
        for (row, slot) in column.iter().enumerate() {
            position.insert(*slot, to_float(row));
        }
    };
    for column in columns.iter() {
        remember(column, &mut position);
    }
    for sweep in 0..SWEEPS {
        let rightwards = sweep % 2 == 0;
        let sequence: Vec<usize> = if rightwards {
            (0..columns.len()).collect()
        } else {
            (0..columns.len()).rev().collect()
        };
        for rank in sequence {
            let near = if rightwards { before } else { after };
            let mut keyed: Vec<(f64, usize)> = columns[rank]
                .iter()
                .map(|slot| {
                    (
                        mean(near[*slot].iter().map(|other| position[other]))
                            .unwrap_or(position[slot]),
                        *slot,
                    )
                })
                .collect();
            keyed.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
            columns[rank] = keyed.into_iter().map(|(_, slot)| slot).collect();
            remember(&columns[rank], &mut position);
        }
    }
}

/// Gives every slot its height on the page: near its neighbours' mean, in the column's order, without overlap.
fn place(slots: &mut [Slot], columns: &[Vec<usize>], before: &Neighbours, after: &Neighbours) {
    for column in columns {
        let mut y = 0.0;
        for slot in column {
            slots[*slot].y = y;
            y += slots[*slot].height + ROW_GAP;
        }
    }
    for sweep in 0..SWEEPS {
        for column in columns {
            let near: &[&Neighbours] = match sweep % 3 {
                0 => &[before],
                1 => &[after],
                _ => &[before, after],
            };
            let wished: Vec<f64> = column
                .iter()
                .map(|slot| {
                    let own = slots[*slot];
                    let centres = near
                        .iter()
                        .flat_map(|near| near[*slot].iter())
                        .map(|other| slots[*other].y + slots[*other].height / 2.0);
                    mean(centres).map_or(own.y, |centre| centre - own.height / 2.0)
                })
                .collect();
            settle(slots, column, &wished);
        }
    }
    let top = slots
        .iter()
        .map(|slot| slot.y)
        .fold(f64::INFINITY, f64::min);
    for slot in slots {
        slot.y -= top - MARGIN;
    }
}

/// The places nearest to the wished ones that keep order and distance: slots that want the same place form a block around their mean.
fn settle(slots: &mut [Slot], column: &[usize], wished: &[f64]) {
    // Block: (first row, rows, sum of the tops wished for the block).
    let mut offsets = Vec::with_capacity(column.len());
    let mut offset = 0.0;
    for slot in column {
        offsets.push(offset);
        offset += slots[*slot].height + ROW_GAP;
    }
    let mut blocks: Vec<(usize, usize, f64)> = Vec::new();
    for row in 0..column.len() {
        blocks.push((row, 1, wished[row] - offsets[row]));
        while let [.., previous, last] = blocks.as_slice() {
            if previous.2 / to_float(previous.1) <= last.2 / to_float(last.1) {
                break;
            }
            let merged = (previous.0, previous.1 + last.1, previous.2 + last.2);
            blocks.truncate(blocks.len() - 2);
            blocks.push(merged);
        }
    }
    for (first, rows, sum) in blocks {
        for row in first..first + rows {
            slots[column[row]].y = sum / to_float(rows) + offsets[row];
        }
    }
}

fn draw(
    widths: &[f64],
    arrows: &[(usize, usize)],
    slots: &[Slot],
    columns: &[Vec<usize>],
    chains: &[Vec<usize>],
) -> Layout {
    let column_width = |column: &[usize]| {
        column
            .iter()
            .filter_map(|slot| widths.get(*slot))
            .copied()
            .fold(0.0, f64::max)
    };
    let mut left = Vec::with_capacity(columns.len());
    let mut x = MARGIN;
    for column in columns {
        left.push(x);
        x += column_width(column) + COLUMN_GAP;
    }
    let boxes: Vec<Box> = widths
        .iter()
        .enumerate()
        .map(|(index, width)| {
            let slot = slots[index];
            let room = column_width(&columns[slot.rank]);
            Box {
                x: left[slot.rank] + (room - width) / 2.0,
                y: slot.y,
                width: *width,
                height: slot.height,
            }
        })
        .collect();
    let routes = chains
        .iter()
        .zip(arrows)
        .map(|(chain, (from, _))| {
            let mut points = Vec::with_capacity(chain.len() * 2);
            for (step, slot) in chain.iter().enumerate() {
                let middle = slots[*slot].y + slots[*slot].height / 2.0;
                let (start, end) = match boxes.get(*slot) {
                    Some(place) => (place.x, place.x + place.width),
                    None => (
                        left[slots[*slot].rank],
                        left[slots[*slot].rank] + column_width(&columns[slots[*slot].rank]),
                    ),
                };
                if step > 0 {
                    points.push((start, middle));
                }
                if step + 1 < chain.len() {
                    points.push((end, middle));
                }
            }
            // A turned arrow is drawn from its real source.
            if chain.first().is_some_and(|first| first != from) {
                points.reverse();
            }
            points
        })
        .collect();
    let bottom = slots
        .iter()
        .map(|slot| slot.y + slot.height)
        .fold(0.0, f64::max);
    Layout {
        boxes,
        arrows: routes,
        width: (x - COLUMN_GAP + MARGIN).max(2.0 * MARGIN),
        height: bottom + MARGIN,
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| {
        (sum + value, count + 1)
    });
    (count > 0).then(|| sum / to_float(count))
}

/// Rows and counts are far below what a float holds exactly.
fn to_float(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlaps(boxes: &[Box]) -> bool {
        boxes.iter().enumerate().any(|(index, one)| {
            boxes[index + 1..].iter().any(|other| {
                one.x < other.x + other.width
                    && other.x < one.x + one.width
                    && one.y < other.y + other.height
                    && other.y < one.y + one.height
            })
        })
    }

    #[test]
    fn callers_stand_left_of_whom_they_call_and_nothing_overlaps() {
        // WEB → AP, AP → DB, AP → KVS, WEB → DB.
        let drawn = layout(&[60.0; 4], &[(0, 1), (1, 2), (1, 3), (0, 2)]);
        assert!(drawn.boxes[0].x < drawn.boxes[1].x && drawn.boxes[1].x < drawn.boxes[2].x);
        assert!((drawn.boxes[2].x - drawn.boxes[3].x).abs() < 0.1);
        assert!(!overlaps(&drawn.boxes));
        assert!(
            drawn.arrows[3].len() > 2,
            "a long arrow bends at the rank that it passes"
        );
        assert!(drawn.boxes.iter().all(|place| place.x >= 0.0
            && place.x + place.width <= drawn.width
            && place.y + place.height <= drawn.height));
    }

    #[test]
    fn cycles_lone_boxes_and_arrows_to_oneself_are_drawn() {
        let drawn = layout(&[50.0; 5], &[(0, 1), (1, 2), (2, 0), (3, 3)]);
        assert!(!overlaps(&drawn.boxes));
        assert!(drawn.arrows[3].is_empty());
        let back = &drawn.arrows[2];
        assert!(
            back.first().unwrap().0 > back.last().unwrap().0,
            "the arrow that closes the cycle runs to the left"
        );
        assert_eq!(layout(&[], &[]).boxes.len(), 0);
    }

    #[test]
    fn two_thousand_arrows_are_laid_out_without_overlap() {
        let arrows: Vec<(usize, usize)> = (0..2000)
            .map(|number| (number % 300, (number * 7 + 13) % 300))
            .collect();
        let drawn = layout(&[80.0; 300], &arrows);
        assert!(!overlaps(&drawn.boxes));
        assert_eq!(drawn.arrows.len(), 2000);
    }
}
