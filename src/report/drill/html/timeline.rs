//! A round's picture as SVG: lanes as rows, outcomes in colour, what happened as numbered marks with their words below. Pure.

use maud::{Markup, html};

use crate::drill::model::{AttemptOutcome, Picture, PictureMark, seconds};
use crate::sanitise::{cut, line};

const WIDTH: i64 = 1100;
const LEFT: i64 = 130;
const ROW: i64 = 22;
const TOP: i64 = 26;
/// Marks that are nearer to each other than this share a number.
const NEAR: i64 = 14;
/// More marks than this are listed only.
const MOST_MARKS: usize = 60;

/// The picture, with the intervals of which nothing is known.
pub(super) fn timeline(picture: &Picture, blind: &[(i64, i64)]) -> Markup {
    let scale = Scale::of(picture);
    let rows = i64::try_from(picture.lanes.len()).unwrap_or(0);
    let bottom = TOP + rows * ROW;
    let height = bottom + 30;
    let groups = grouped(picture, &scale);
    html! {
        figure class="timeline" {
            div class="scroll" tabindex="0" role="group" aria-label="the timeline, scrolls" {
                svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label="what each lane saw, second by second" {
                    @for tick in scale.ticks() {
                        line class="tick" x1=(scale.x(tick)) x2=(scale.x(tick)) y1=(TOP - 4) y2=(bottom) {}
                        text class="axis" x=(scale.x(tick)) y=(bottom + 16) text-anchor="middle" { (tick / 1000) " s" }
                    }
                    @for (index, lane) in (0..).zip(&picture.lanes) {
                        @let y = TOP + index * ROW;
                        text class="lane" x=(LEFT - 8) y=(y + 14) text-anchor="end" { (cut(&line(&lane.name), 20)) }
                        @for (from, to, outcome) in &lane.spans {
                            rect class=(outcome_name(*outcome)) x=(scale.x(*from)) y=(y + 3) width=(scale.width(*from, *to)) height=(ROW - 6) {
                                title { (line(&lane.name)) ": " (outcome_name(*outcome)) " from " (seconds(*from)) " to " (seconds(*to)) }
                            }
                        }
                    }
                    @for (from, to) in blind {
                        rect class="blind" x=(scale.x(*from)) y=(TOP) width=(scale.width(*from, *to)) height=(bottom - TOP) {
                            title { "nothing is known from " (seconds(*from)) " to " (seconds(*to)) }
                        }
                    }
                    line class="fault" x1=(scale.x(0)) x2=(scale.x(0)) y1=(TOP - 8) y2=(bottom) {}
                    @for (number, (x, marks)) in (1..).zip(&groups) {
                        line class="event" x1=(x) x2=(x) y1=(TOP - 6) y2=(bottom) {}
                        text class="event" x=(x) y=(TOP - 10) text-anchor="middle" {
                            (number)
                            title { @for mark in marks { (seconds(mark.at_ms)) " " (line(&mark.row)) ": " (line(&mark.text)) "\n" } }
                        }
                    }
                }
            }
            @if !groups.is_empty() {
                ol class="events" {
                    @for (_, marks) in &groups {
                        li { @for (index, mark) in marks.iter().enumerate() {
                            @if index > 0 { "; " }
                            span class="at" { (seconds(mark.at_ms)) } " " b { (line(&mark.row)) } " " (line(&mark.text))
                        } }
                    }
                }
            }
        }
    }
}

const fn outcome_name(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Acked => "acked",
        AttemptOutcome::Refused => "refused",
        AttemptOutcome::Unknown => "unknown",
    }
}

/// Milliseconds after the fault → the picture's units.
struct Scale {
    from: i64,
    to: i64,
}

impl Scale {
    fn of(picture: &Picture) -> Self {
        Self {
            from: picture.from_ms.min(0),
            to: picture.to_ms.max(picture.from_ms.min(0) + 1000),
        }
    }

    fn x(&self, at: i64) -> i64 {
        let at = at.clamp(self.from, self.to);
        LEFT + (at - self.from) * (WIDTH - LEFT - 20) / (self.to - self.from)
    }

    /// What is short is still seen.
    fn width(&self, from: i64, to: i64) -> i64 {
        (self.x(to) - self.x(from)).max(2)
    }

    /// A line every 1, 2, 5, 10 … s, so that there are at most twelve.
    fn ticks(&self) -> Vec<i64> {
        let step = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600]
            .map(|seconds| seconds * 1000)
            .into_iter()
            .find(|step| (self.to - self.from) / step <= 12)
            .unwrap_or(7_200_000);
        let first = self.from.div_euclid(step) * step;
        (0..)
            .map(|index| first + index * step)
            .skip_while(|tick| *tick < self.from)
            .take_while(|tick| *tick <= self.to)
            .take(64)
            .collect()
    }
}

/// Marks after the fault, those that are near each other together.
fn grouped<'a>(picture: &'a Picture, scale: &Scale) -> Vec<(i64, Vec<&'a PictureMark>)> {
    let mut groups: Vec<(i64, Vec<&PictureMark>)> = Vec::new();
    for mark in picture
        .marks
        .iter()
        .filter(|mark| mark.at_ms >= 0)
        .take(MOST_MARKS)
    {
        let x = scale.x(mark.at_ms);
        match groups.last_mut() {
            Some((at, marks)) if x - *at < NEAR => marks.push(mark),
            _ => groups.push((x, vec![mark])),
        }
    }
    groups
}
