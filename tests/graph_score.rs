//! The graph of labelled compose files: those of this repository edge by edge, and those beside it by their figures.

#[path = "../examples/score-corpus.rs"]
#[allow(dead_code, reason = "the program prints what the test compares")]
mod score_corpus;

use std::path::Path;

use score_corpus::measure;

/// Compose files of the kinds that people run, written for this test; every label is an edge that exists.
#[test]
fn what_real_kinds_of_files_say_becomes_their_edges() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/compose");
    let measure = measure(&folder);
    assert!(measure.broken.is_empty(), "{}", measure.broken.join("\n"));
    assert!(
        measure.all.right > 500,
        "the labelled files are here: {}",
        measure.all.right
    );
    assert!(measure.lines.is_empty(), "{}", measure.lines.join("\n"));
}

/// Other people's files, with labels made by hand.
#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn the_corpus_keeps_its_figures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !folder.exists() {
        eprintln!("SKIPPED: ../shared/corpus is not beside this repository");
        return;
    }
    let measure = measure(&folder);
    assert!(measure.broken.is_empty(), "{}", measure.broken.join("\n"));
    let lines = measure.lines.join("\n");
    assert!(measure.all.precision() >= 0.97, "{lines}");
    assert!(measure.evidence.recall() >= 0.95, "{lines}");
}
