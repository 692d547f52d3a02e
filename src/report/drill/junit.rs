//! A drill's report as JUnit XML: one case per candidate, fault and limit; what could not be measured is an error. Pure.

use quick_xml::Writer;
use quick_xml::events::{BytesCData, BytesDecl, BytesEnd, BytesStart, Event};

use super::words;
use super::{CandidateReport, DrillReport, FaultReport};
use crate::report::VerdictValue;
use crate::report::sanitise::{clean, line};

/// A case: where it belongs, what it is called, how it ended.
struct Case {
    class: String,
    name: String,
    status: VerdictValue,
    kind: String,
    message: String,
    text: String,
}

/// The report as Jenkins and GitLab read it.
///
/// # Errors
/// If writing to memory fails.
pub fn junit(report: &DrillReport) -> std::io::Result<Vec<u8>> {
    let cases = cases(report);
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    let mut suites = BytesStart::new("testsuites");
    suites.push_attribute(("name", "k8sverify"));
    totals(&mut suites, &cases, false);
    writer.write_event(Event::Start(suites))?;
    let mut suite = BytesStart::new("testsuite");
    suite.push_attribute(("name", "k8sverify.drill"));
    suite.push_attribute(("timestamp", line(&report.started_at).trim_end_matches('Z')));
    totals(&mut suite, &cases, true);
    writer.write_event(Event::Start(suite))?;
    properties(&mut writer, report)?;
    for case in &cases {
        write_case(&mut writer, case)?;
    }
    writer
        .create_element("system-out")
        .write_cdata_content(cdata(&remarks(report)))?;
    writer.write_event(Event::End(BytesEnd::new("testsuite")))?;
    writer.write_event(Event::End(BytesEnd::new("testsuites")))?;
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

fn cases(report: &DrillReport) -> Vec<Case> {
    let mut cases = Vec::new();
    for candidate in &report.candidates {
        for (index, refusal) in candidate.refusals.iter().enumerate() {
            cases.push(Case {
                class: class(candidate, None),
                name: format!("may be drilled ({})", index + 1),
                status: VerdictValue::Unknown,
                kind: "refused".to_owned(),
                message: refusal.clone(),
                text: refusal.clone(),
            });
        }
        for (name, sql) in [
            ("init SQL", &candidate.init_sql),
            ("workload", &candidate.workload),
        ] {
            let Some(sql) = sql else { continue };
            let status = if sql.required > 0 {
                VerdictValue::Fail
            } else {
                VerdictValue::Pass
            };
            cases.push(Case {
                class: class(candidate, None),
                name: name.to_owned(),
                status,
                kind: "sql-refused".to_owned(),
                message: format!(
                    "{} of {} statements that the application needs are refused",
                    sql.required, sql.statements
                ),
                text: sql.detail.join("\n"),
            });
        }
        for fault in &candidate.faults {
            for limit in &fault.limits {
                cases.push(Case {
                    class: class(candidate, Some(fault)),
                    name: limit.name.clone(),
                    status: limit.status,
                    kind: match limit.status {
                        VerdictValue::Unknown => "not-measured".to_owned(),
                        _ => limit.name.clone(),
                    },
                    message: limit.detail.clone(),
                    text: text(report, candidate, fault),
                });
            }
        }
    }
    // A CI server reads nothing but the cases: a run that is no pass has a red one among them.
    let red = cases.iter().any(|case| case.status != VerdictValue::Pass);
    if report.verdict != VerdictValue::Pass && !red || cases.is_empty() {
        cases.push(Case {
            class: "k8sverify.drill".to_owned(),
            name: "verdict".to_owned(),
            status: report.verdict,
            kind: "verdict".to_owned(),
            message: words::sentence(report),
            text: remarks(report),
        });
    }
    cases
}

fn class(candidate: &CandidateReport, fault: Option<&FaultReport>) -> String {
    // Jenkins reads dots as folders.
    let name = line(&candidate.name).replace('.', "_");
    match fault {
        Some(fault) => format!("k8sverify.drill.{name}.{}", fault.title()),
        None => format!("k8sverify.drill.{name}"),
    }
}

/// The numbers of the fault, and the findings of the candidate: GitLab shows nothing else.
fn text(report: &DrillReport, candidate: &CandidateReport, fault: &FaultReport) -> String {
    let mut text = format!("{} · {}\n", candidate.name, words::fault_line(fault));
    for (metric, spread) in words::telling(fault) {
        text += &format!("{}: {}\n", metric.title(), words::spread(metric, spread));
    }
    for round in &fault.rounds {
        text += &format!("round {}: {}\n", round.number, round.ended);
    }
    if let Some(not) = &fault.not_excluded {
        text += &format!("{not}\n");
    }
    let mine = report
        .findings
        .iter()
        .filter(|finding| finding.candidate == candidate.name);
    for finding in mine {
        text += &format!("{}: {}\n", finding.id, finding.message);
        for seen in &finding.evidence {
            text += &format!("  seen: {seen}\n");
        }
        match (&finding.caused_by, &finding.fix) {
            (Some(cause), _) => text += &format!("  because of: {cause}\n"),
            (None, Some(fix)) => text += &format!("  fix: {}\n", fix.text),
            (None, None) => {}
        }
    }
    text
}

fn remarks(report: &DrillReport) -> String {
    let mut text = format!("{}\n", words::sentence(report));
    for note in &report.notes {
        text += &format!("{note}\n");
    }
    text
}

fn totals(element: &mut BytesStart, cases: &[Case], suite: bool) {
    let with = |status: VerdictValue| cases.iter().filter(|case| case.status == status).count();
    let pairs = [
        ("tests", cases.len()),
        ("failures", with(VerdictValue::Fail)),
        ("errors", with(VerdictValue::Unknown)),
        ("skipped", 0),
    ];
    // The root knows no skipped cases.
    for (name, number) in pairs.into_iter().take(if suite { 4 } else { 3 }) {
        element.push_attribute((name, number.to_string().as_str()));
    }
    element.push_attribute(("time", "0"));
}

fn properties(writer: &mut Writer<Vec<u8>>, report: &DrillReport) -> std::io::Result<()> {
    let limits: Vec<String> = report
        .limits
        .iter()
        .map(|(metric, most)| format!("{}={most}", metric.name()))
        .collect();
    let pairs = [
        ("k8sverify.version", report.tool_version.clone()),
        ("k8sverify.cluster", report.cluster.clone()),
        ("k8sverify.namespace", report.namespace.clone()),
        ("k8sverify.drill.run", report.run.clone()),
        ("k8sverify.drill.seed", report.seed.to_string()),
        ("k8sverify.drill.limits", limits.join(" ")),
    ];
    writer.write_event(Event::Start(BytesStart::new("properties")))?;
    for (name, value) in pairs {
        let mut property = BytesStart::new("property");
        property.push_attribute(("name", name));
        property.push_attribute(("value", line(&value).as_str()));
        writer.write_event(Event::Empty(property))?;
    }
    writer.write_event(Event::End(BytesEnd::new("properties")))
}

fn write_case(writer: &mut Writer<Vec<u8>>, case: &Case) -> std::io::Result<()> {
    let mut element = BytesStart::new("testcase");
    element.push_attribute(("classname", line(&case.class).as_str()));
    element.push_attribute(("name", line(&case.name).as_str()));
    element.push_attribute(("time", "0"));
    writer.write_event(Event::Start(element))?;
    let tag = match case.status {
        VerdictValue::Pass => "system-out",
        VerdictValue::Fail => "failure",
        VerdictValue::Unknown => "error",
    };
    let mut child = BytesStart::new(tag);
    if case.status != VerdictValue::Pass {
        child.push_attribute(("type", line(&case.kind).as_str()));
        child.push_attribute(("message", line(&case.message).as_str()));
    }
    writer.write_event(Event::Start(child))?;
    let text = format!("{}\n{}", case.message, case.text);
    writer.write_event(Event::CData(cdata(&text)))?;
    writer.write_event(Event::End(BytesEnd::new(tag)))?;
    writer.write_event(Event::End(BytesEnd::new("testcase")))
}

/// Text for a CDATA section, which `]]>` would end.
fn cdata(text: &str) -> BytesCData<'static> {
    BytesCData::new(clean(text).replace("]]>", "]] >"))
}
