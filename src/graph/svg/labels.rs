//! Arrows and boxes → places for the arrows' labels, on the arrow, where they cover neither a box nor each other. Pure.

use super::super::layout::Box;

/// Height of a line of text, in pixels.
const HEIGHT: f64 = 13.0;
/// Where on a bow a label may stand; the nearest to the wished place that is free is taken.
const PLACES: [f64; 9] = [0.5, 0.4, 0.6, 0.3, 0.7, 0.35, 0.65, 0.22, 0.78];

/// What is taken already.
pub(super) struct Labels(Vec<Box>);

impl Labels {
    /// No label yet, and the boxes in the way.
    pub(super) fn among(boxes: &[Box]) -> Self {
        Self(boxes.to_vec())
    }

    /// The middle of the label's base line; `None` where there is no room on the arrow, so that nothing is covered.
    pub(super) fn place(
        &mut self,
        points: &[(f64, f64)],
        shift: f64,
        width: f64,
        wish: f64,
    ) -> Option<(f64, f64)> {
        let mut parts = PLACES;
        parts.sort_by(|one, other| (one - wish).abs().total_cmp(&(other - wish).abs()));
        let mut bows: Vec<((f64, f64), (f64, f64))> = points
            .windows(2)
            .map(|pair| (pair[0], pair[1]))
            .filter(|(one, other)| (one.0 - other.0).abs() > 1.0)
            .collect();
        // The bow in the middle of the arrow first, then those around it.
        let middle = bows.len() / 2;
        if !bows.is_empty() {
            bows.rotate_left(middle);
        }
        for bow in bows {
            for part in parts {
                let (x, y) = on(bow, part);
                let place = Box {
                    x: x - width / 2.0,
                    y: y + shift - 4.0 - HEIGHT + 3.0,
                    width,
                    height: HEIGHT,
                };
                if self.0.iter().all(|taken| !overlap(taken, &place)) {
                    self.0.push(place);
                    return Some((x, y + shift - 4.0));
                }
            }
        }
        None
    }
}

/// The point of the curve that [`super::path`] draws, at that part of its way.
fn on((start, end): ((f64, f64), (f64, f64)), part: f64) -> (f64, f64) {
    let bend = (end.0 - start.0) / 2.0;
    let rest = 1.0 - part;
    let mix = |one: f64, two: f64, three: f64, four: f64| {
        rest.powi(3) * one
            + 3.0 * rest.powi(2) * part * two
            + 3.0 * rest * part.powi(2) * three
            + part.powi(3) * four
    };
    (
        mix(start.0, start.0 + bend, end.0 - bend, end.0),
        mix(start.1, start.1, end.1, end.1),
    )
}

fn overlap(one: &Box, other: &Box) -> bool {
    one.x < other.x + other.width
        && other.x < one.x + one.width
        && one.y < other.y + other.height
        && other.y < one.y + one.height
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_crossing_arrows_stand_apart_and_one_without_room_is_left_out() {
        let mut labels = Labels::among(&[]);
        let down = labels.place(&[(0.0, 0.0), (120.0, 60.0)], 0.0, 60.0, 0.5);
        let up = labels.place(&[(0.0, 60.0), (120.0, 0.0)], 0.0, 60.0, 0.5);
        let (down, up) = (down.unwrap(), up.unwrap());
        assert!((down.1 - up.1).abs() >= HEIGHT || (down.0 - up.0).abs() >= 60.0);
        let wall = Box {
            x: 0.0,
            y: -100.0,
            width: 200.0,
            height: 300.0,
        };
        assert_eq!(
            Labels::among(&[wall]).place(&[(0.0, 0.0), (120.0, 60.0)], 0.0, 60.0, 0.5),
            None
        );
    }
}
