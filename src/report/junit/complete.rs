//! What the crate does not write: the suites' properties, the number of skipped cases, the totals of the whole. Pure.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, Writer};

use super::JunitError;
use crate::sanitise::line;

/// Adds what the crate does not write: properties, the number of skipped cases, totals; and takes the package away, which Jenkins would put before every name.
pub(super) fn complete(raw: &[u8], properties: &[(&str, String)]) -> Result<Vec<u8>, JunitError> {
    let totals = totals(raw)?;
    let mut reader = Reader::from_reader(raw);
    let mut writer = Writer::new(Vec::with_capacity(raw.len() + 4096));
    let (mut suite, mut buffer) = (0, Vec::new());
    loop {
        match reader.read_event_into(&mut buffer)? {
            Event::Eof => break,
            Event::Start(start) if start.name().as_ref() == b"testsuites" => {
                let all = totals.iter().fold(Totals::default(), Totals::plus);
                let mut element = BytesStart::new("testsuites");
                element.push_attribute(("name", "k8sverify"));
                all.push_to(&mut element, Level::Root);
                writer.write_event(Event::Start(element))?;
            }
            Event::Start(start) if start.name().as_ref() == b"testsuite" => {
                writer.write_event(Event::Start(suite_start(&start, &totals[suite])?))?;
                write_properties(&mut writer, properties)?;
                suite += 1;
            }
            Event::Empty(start) if start.name().as_ref() == b"testsuite" => {
                writer.write_event(Event::Start(suite_start(&start, &totals[suite])?))?;
                write_properties(&mut writer, properties)?;
                writer.write_event(Event::End(quick_xml::events::BytesEnd::new("testsuite")))?;
                suite += 1;
            }
            event => writer.write_event(event)?,
        }
        buffer.clear();
    }
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

fn suite_start(start: &BytesStart<'_>, totals: &Totals) -> Result<BytesStart<'static>, JunitError> {
    let mut element = BytesStart::new("testsuite");
    for attribute in start.attributes() {
        let attribute = attribute?;
        if matches!(
            attribute.key.as_ref(),
            b"id" | b"name" | b"hostname" | b"timestamp"
        ) {
            element.push_attribute((attribute.key.as_ref(), attribute.value.as_ref()));
        }
    }
    totals.push_to(&mut element, Level::Suite);
    Ok(element)
}

fn write_properties(
    writer: &mut Writer<Vec<u8>>,
    properties: &[(&str, String)],
) -> Result<(), JunitError> {
    writer
        .create_element("properties")
        .write_inner_content(|writer| {
            for (name, value) in properties.iter().filter(|(_, value)| !value.is_empty()) {
                writer
                    .create_element("property")
                    .with_attributes([("name", *name), ("value", line(value).as_str())])
                    .write_empty()?;
            }
            Ok(())
        })?;
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Suite,
}

#[derive(Debug, Clone, Default)]
struct Totals {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    seconds: f64,
}

impl Totals {
    fn plus(mut self, other: &Self) -> Self {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
        self.skipped += other.skipped;
        self.seconds += other.seconds;
        self
    }

    fn push_to(&self, element: &mut BytesStart<'_>, level: Level) {
        let numbers = [
            ("tests", self.tests),
            ("failures", self.failures),
            ("errors", self.errors),
        ];
        // The schema of Jenkins knows no `skipped` at the root.
        let skipped = (level == Level::Suite).then_some(("skipped", self.skipped));
        for (name, value) in numbers.into_iter().chain(skipped) {
            element.push_attribute((name, value.to_string().as_str()));
        }
        element.push_attribute(("time", format!("{:.3}", self.seconds).as_str()));
    }
}

/// Counts the cases of each suite as they stand in the file, so that the totals are right by construction.
fn totals(raw: &[u8]) -> Result<Vec<Totals>, JunitError> {
    let mut reader = Reader::from_reader(raw);
    let (mut all, mut buffer) = (Vec::<Totals>::new(), Vec::new());
    loop {
        let event = reader.read_event_into(&mut buffer)?;
        let (Event::Start(start) | Event::Empty(start)) = &event else {
            if matches!(event, Event::Eof) {
                return Ok(all);
            }
            continue;
        };
        match (start.name().as_ref(), all.last_mut()) {
            (b"testsuite", _) => all.push(Totals::default()),
            (b"testcase", Some(last)) => {
                last.tests += 1;
                if let Some(time) = start.try_get_attribute("time")? {
                    last.seconds += String::from_utf8_lossy(&time.value)
                        .parse::<f64>()
                        .unwrap_or(0.0);
                }
            }
            (b"failure", Some(last)) => last.failures += 1,
            (b"error", Some(last)) => last.errors += 1,
            (b"skipped", Some(last)) => last.skipped += 1,
            _ => {}
        }
        buffer.clear();
    }
}
