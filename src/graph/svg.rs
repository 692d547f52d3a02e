//! Boxes and arrows → one SVG element, laid out by [`super::layout`] and escaped by construction. Pure; used for the graph alone and for the page of a run.

use maud::{Markup, html};

use super::layout::{Box, layout};

mod labels;

use labels::Labels;

/// A box.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// What stands in it.
    pub name: String,
    /// A smaller second line: where it serves, how many Pods are ready.
    pub note: String,
    /// CSS classes, such as `fail` or `outside`.
    pub class: String,
    /// Shown when pointed at.
    pub title: String,
    /// The id of the element that describes it; clicking the box leads there. Empty: none.
    pub target: String,
}

/// An arrow between two boxes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrow {
    /// Index of the box that it leaves.
    pub from: usize,
    /// Index of the box that it enters.
    pub to: usize,
    /// What stands on it, where there is room: `3306 mysql`.
    pub label: String,
    /// CSS classes: status or protocol, `weak`.
    pub class: String,
    /// Shown when pointed at.
    pub title: String,
    /// The id of the element that describes it; clicking the arrow leads there. Empty: none.
    pub target: String,
    /// What a script should know of it, as `data-tag`. Empty: nothing.
    pub tag: String,
}

/// More arrows than this carry no text of their own; pointing at them still shows it.
const MOST_LABELS: usize = 60;
/// Width of a character of the names, in pixels, generously.
const CHARACTER: f64 = 8.2;
/// Characters of a name that are shown.
const LONGEST_NAME: usize = 32;
/// Length of the piece of an arrow that stands in the legend, in pixels.
const SAMPLE: f64 = 26.0;
/// Distance of the legend's rows, and of the legend from the drawing and its edges, in pixels.
const ROW: f64 = 20.0;
const MARGIN: f64 = 14.0;
/// Distance of the arrows between the same two boxes, in pixels.
const LANE: f64 = 7.0;

/// The drawing; `style` goes into it, so that it also stands alone, and so do the classes of `legend` with their words.
pub fn draw(nodes: &[Node], arrows: &[Arrow], style: &str, legend: &[(&str, &str)]) -> Markup {
    let widths: Vec<f64> = nodes
        .iter()
        .map(|node| width(&node.name).max(width(&node.note) * 0.85) + 24.0)
        .collect();
    let pairs: Vec<(usize, usize)> = arrows.iter().map(|arrow| (arrow.from, arrow.to)).collect();
    let drawn = layout(&widths, &pairs);
    let mut labels = Labels::among(&drawn.boxes);
    let places: Vec<Option<(f64, f64)>> = arrows
        .iter()
        .zip(&drawn.arrows)
        .enumerate()
        .map(|(index, (arrow, points))| {
            let wanted = arrows.len() <= MOST_LABELS && !arrow.label.is_empty();
            wanted
                .then(|| {
                    labels.place(
                        points,
                        lane(arrows, index),
                        width_of_label(&arrow.label),
                        wish(arrows, arrow),
                    )
                })
                .flatten()
        })
        .collect();
    // An image hides what is in it from a screen reader; links must be reached.
    let (mut width, mut height) = (drawn.width, drawn.height);
    let samples = place_legend(legend, &mut width, &mut height);
    let is_linked = arrows.iter().any(|arrow| !arrow.target.is_empty());
    let role = if is_linked { "group" } else { "img" };
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="tiers" role=(role) aria-label="the tier graph"
            width=(round(width)) height=(round(height)) viewBox=(format!("0 0 {} {}", round(width), round(height))) {
            @if !style.is_empty() { style { (maud::PreEscaped(style)) } }
            defs {
                marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse" {
                    path d="M0 0 L10 5 L0 10 z" fill="context-stroke" {}
                }
            }
            @for (index, (arrow, points)) in arrows.iter().zip(&drawn.arrows).enumerate() {
                @if points.len() > 1 { (draw_arrow(arrow, points, lane(arrows, index), places[index])) }
            }
            @for (index, (node, place)) in nodes.iter().zip(&drawn.boxes).enumerate() { (draw_box(node, *place, index)) }
            @for ((class, words), (x, y)) in legend.iter().zip(samples) {
                g class=(format!("arrow key {class}")) {
                    path class="line" d=(format!("M{} {}h{SAMPLE}", round(x), round(y - 4.0))) {}
                    text class="label" x=(round(x + SAMPLE + 6.0)) y=(round(y)) { (words) }
                }
            }
        }
    }
}

/// Where each entry of the legend stands, in rows under a drawing of that width and height, which grow with them.
fn place_legend(legend: &[(&str, &str)], width: &mut f64, height: &mut f64) -> Vec<(f64, f64)> {
    if legend.is_empty() {
        return Vec::new();
    }
    let length = |words: &str| SAMPLE + 24.0 + width_of_label(words);
    let longest = legend
        .iter()
        .map(|(_, words)| length(words))
        .fold(*width, f64::max);
    let (mut x, mut y) = (MARGIN, *height + MARGIN);
    let mut placed = Vec::new();
    for (_, words) in legend {
        if x > MARGIN && x + length(words) > longest {
            (x, y) = (MARGIN, y + ROW);
        }
        placed.push((x, y));
        x += length(words);
    }
    (*width, *height) = (longest + MARGIN, y + MARGIN);
    placed
}

fn draw_box(node: &Node, place: Box, index: usize) -> Markup {
    let middle = round(place.x + place.width / 2.0);
    let body = html! {
        g class=(format!("tier {}", node.class).trim_end()) data-node=(index) {
            title { (if node.title.is_empty() { &node.name } else { &node.title }) }
            rect x=(round(place.x)) y=(round(place.y)) width=(round(place.width)) height=(round(place.height)) rx="7" {}
            @if node.note.is_empty() {
                text x=(middle) y=(round(place.y + place.height / 2.0 + 5.0)) text-anchor="middle" { (shortened(&node.name)) }
            } @else {
                text x=(middle) y=(round(place.y + 17.0)) text-anchor="middle" { (shortened(&node.name)) }
                text class="note" x=(middle) y=(round(place.y + 32.0)) text-anchor="middle" { (shortened(&node.note)) }
            }
        }
    };
    linked(&node.target, &body)
}

fn draw_arrow(
    arrow: &Arrow,
    points: &[(f64, f64)],
    shift: f64,
    label: Option<(f64, f64)>,
) -> Markup {
    let (start, end) = (points[0], points[points.len() - 1]);
    let class = format!(
        "arrow {}{}",
        arrow.class,
        if start.0 > end.0 { " back" } else { "" }
    );
    let body = html! {
        g class=(class) data-from=(arrow.from) data-to=(arrow.to) data-tag=[(!arrow.tag.is_empty()).then_some(&arrow.tag)] {
            title { (arrow.title) }
            path class="hit" d=(path(points, shift)) {}
            path class="line" d=(path(points, shift)) marker-end="url(#tip)" {}
            @if let Some((x, y)) = label {
                text class="label" x=(round(x)) y=(round(y)) text-anchor="middle" { (arrow.label) }
            }
        }
    };
    linked(&arrow.target, &body)
}

fn linked(target: &str, body: &Markup) -> Markup {
    html! {
        @if target.is_empty() { (body) } @else { a href=(format!("#{target}")) { (body) } }
    }
}

/// Smooth curves that leave and enter every point horizontally.
fn path(points: &[(f64, f64)], shift: f64) -> String {
    let mut text = format!("M{} {}", round(points[0].0), round(points[0].1 + shift));
    for pair in points.windows(2) {
        let bend = (pair[1].0 - pair[0].0) / 2.0;
        text += &format!(
            " C{} {} {} {} {} {}",
            round(pair[0].0 + bend),
            round(pair[0].1 + shift),
            round(pair[1].0 - bend),
            round(pair[1].1 + shift),
            round(pair[1].0),
            round(pair[1].1 + shift)
        );
    }
    text
}

/// Where on its way an arrow's label stands best: away from the end where it is one of many.
fn wish(arrows: &[Arrow], own: &Arrow) -> f64 {
    let leaving = arrows.iter().filter(|other| other.from == own.from).count();
    let entering = arrows.iter().filter(|other| other.to == own.to).count();
    match leaving.cmp(&entering) {
        std::cmp::Ordering::Greater => 0.58,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.42,
    }
}

/// How far an arrow is shifted so that those between the same two boxes lie side by side.
fn lane(arrows: &[Arrow], index: usize) -> f64 {
    let own = &arrows[index];
    let same = |other: &&Arrow| other.from == own.from && other.to == own.to;
    let before = arrows[..index].iter().filter(same).count();
    let all = before + arrows[index..].iter().filter(same).count();
    let lanes = |number: usize| u32::try_from(number).map_or(0.0, f64::from);
    (lanes(before) - (lanes(all) - 1.0) / 2.0) * LANE
}

/// Labels are smaller than names.
fn width_of_label(text: &str) -> f64 {
    u32::try_from(text.chars().count()).map_or(0.0, f64::from) * 6.2
}

fn width(text: &str) -> f64 {
    u32::try_from(shortened(text).chars().count()).map_or(0.0, f64::from) * CHARACTER
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST_NAME {
        return text.to_owned();
    }
    text.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// One digit behind the point is finer than any screen.
fn round(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_arrows_lead_to_their_description() {
        let nodes = [
            Node {
                name: "<AP>".to_owned(),
                ..Node::default()
            },
            Node {
                name: "DB".to_owned(),
                note: "1/1 ready".to_owned(),
                ..Node::default()
            },
        ];
        let arrows = [Arrow {
            from: 0,
            to: 1,
            label: "3306 mysql".to_owned(),
            class: "fail".to_owned(),
            title: "AP & DB".to_owned(),
            target: "e1".to_owned(),
            ..Arrow::default()
        }];
        let text = draw(&nodes, &arrows, "", &[]).into_string();
        assert!(
            text.contains("&lt;AP&gt;")
                && text.contains("AP &amp; DB")
                && text.contains("href=\"#e1\""),
            "{text}"
        );
        roxmltree::Document::parse(&text).unwrap();
    }
}
