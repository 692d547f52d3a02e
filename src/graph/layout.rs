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
/// Distance from the middle of a side at which arrows touch it where some arrive and some leave, in pixels.
const PORT_GAP: f64 = 8.0;
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

impl Slot {
    /// Height of its middle on the page, in pixels.
    fn middle(&self) -> f64 {
        self.y + self.height / 2.0
    }
}

/// Lays out boxes of the given widths (pixels) and arrows between their indices. Boxes never overlap; an arrow from a box to itself is an empty list of points.
///
/// # Panics
/// Never for indices below `widths.len()`.
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

/// The arrows with few of them turned round, so that no cycle is left; arrows to oneself are left out (`None`).
fn acyclic(count: usize, arrows: &[(usize, usize)]) -> Vec<Option<(usize, usize)>> {
    let position = callers_first(count, arrows);
    arrows
        .iter()
        .map(|(from, to)| match position[*from].cmp(&position[*to]) {
            std::cmp::Ordering::Less => Some((*from, *to)),
            std::cmp::Ordering::Greater => Some((*to, *from)),
            std::cmp::Ordering::Equal => None,
        })
        .collect()
}

/// The place of every box in a row in which few arrows run back: none where there is no cycle.
///
/// A box that no one calls goes to the left end, one that calls no one to the right one; where all that is left is part of a cycle, the box
/// that calls most and is called least goes left. So a tier that everybody reports to stands at the right, though it asks some of them.
///
/// Source: Eades, Lin, Smyth, A fast and effective heuristic for the feedback arc set problem (1993).
fn callers_first(count: usize, arrows: &[(usize, usize)]) -> Vec<usize> {
    let mut rest: Vec<usize> = (0..count).collect();
    let (mut left, mut right) = (Vec::with_capacity(count), Vec::new());
    while !rest.is_empty() {
        let (mut out, mut incoming) = (vec![0_i64; count], vec![0_i64; count]);
        let mut is_left = vec![false; count];
        for node in &rest {
            is_left[*node] = true;
        }
        for (from, to) in arrows {
            if from != to && is_left[*from] && is_left[*to] {
                out[*from] += 1;
                incoming[*to] += 1;
            }
        }
        let before = rest.len();
        rest.retain(|node| {
            if incoming[*node] == 0 {
                left.push(*node);
            } else if out[*node] == 0 {
                right.push(*node);
            }
            incoming[*node] > 0 && out[*node] > 0
        });
        if rest.len() == before
            && let Some(at) = (0..rest.len()).max_by_key(|at| {
                (
                    out[rest[*at]] - incoming[rest[*at]],
                    std::cmp::Reverse(rest[*at]),
                )
            })
        {
            left.push(rest.remove(at));
        }
    }
    let mut position = vec![0; count];
    for (place, node) in left.iter().chain(right.iter().rev()).enumerate() {
        position[*node] = place;
    }
    position
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
                        .map(|other| slots[*other].middle());
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
    let ports = ports(widths.len(), arrows, slots, chains);
    let routes = chains
        .iter()
        .zip(arrows)
        .map(|(chain, (from, _))| {
            let turned = chain.first().is_some_and(|first| first != from);
            let mut points = Vec::with_capacity(chain.len() * 2);
            for (step, slot) in chain.iter().enumerate() {
                let middle = slots[*slot].middle();
                let (start, end) = match boxes.get(*slot) {
                    Some(place) => (place.x, place.x + place.width),
                    None => (
                        left[slots[*slot].rank],
                        left[slots[*slot].rank] + column_width(&columns[slots[*slot].rank]),
                    ),
                };
                if step > 0 {
                    points.push((start, middle + ports.at(*slot, Side::Left, turned)));
                }
                if step + 1 < chain.len() {
                    points.push((end, middle + ports.at(*slot, Side::Right, turned)));
                }
            }
            // A turned arrow is drawn from its real source.
            if turned {
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

/// A side of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Left,
    Right,
}

/// Where arrows touch the sides of boxes: in the middle, and where a side has arrows both ways, those that arrive beside those that leave,
/// so that each tip is seen.
struct Ports(BTreeMap<(usize, Side), f64>);

impl Ports {
    /// Distance from the middle, downwards in pixels, at which an arrow touches this side; `turned` when it runs to the left.
    fn at(&self, slot: usize, side: Side, turned: bool) -> f64 {
        let of_forward = self.0.get(&(slot, side)).copied().unwrap_or(0.0);
        if turned { -of_forward } else { of_forward }
    }
}

fn ports(count: usize, arrows: &[(usize, usize)], slots: &[Slot], chains: &[Vec<usize>]) -> Ports {
    // Of each side, where the arrows that run to the right lead or come from, and those that run to the left.
    let mut ends: BTreeMap<(usize, Side), [Vec<f64>; 2]> = BTreeMap::new();
    for (chain, (from, _)) in chains.iter().zip(arrows) {
        let turned = chain.first().is_some_and(|first| first != from);
        for pair in chain.windows(2) {
            for (slot, side, other) in [
                (pair[0], Side::Right, pair[1]),
                (pair[1], Side::Left, pair[0]),
            ] {
                if slot < count {
                    ends.entry((slot, side)).or_default()[usize::from(turned)]
                        .push(slots[other].middle());
                }
            }
        }
    }
    let apart = ends.into_iter().filter_map(|(place, [forward, turned])| {
        let (forward, turned) = (mean(forward.into_iter())?, mean(turned.into_iter())?);
        let above = forward <= turned;
        Some((place, if above { -PORT_GAP } else { PORT_GAP }))
    });
    Ports(apart.collect())
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
    fn a_tier_that_everybody_reports_to_stands_right_though_it_asks_one_of_them() {
        // 0 → 1 → 2, all of them → 3 (a collector), and 3 → 1 (it scrapes).
        let drawn = layout(
            &[50.0; 4],
            &[(0, 1), (1, 2), (0, 3), (1, 3), (2, 3), (3, 1)],
        );
        assert!((0..3).all(|index| drawn.boxes[index].x < drawn.boxes[3].x));
        let (arrives, leaves) = (drawn.arrows[4].last().unwrap(), &drawn.arrows[5][0]);
        assert!(
            (arrives.1 - leaves.1).abs() >= PORT_GAP,
            "on the side where it is called, what leaves has a place of its own"
        );
        let middle = drawn.boxes[0].y + drawn.boxes[0].height / 2.0;
        assert!(
            (drawn.arrows[0][0].1 - middle).abs() < 0.1,
            "a side with arrows one way has them in its middle"
        );
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
