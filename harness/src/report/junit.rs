//! JUnit: results for CI. A run is a test case; what is inconclusive is an error, unless it may pass.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Colour, Results, Verdict, text};

/// What becomes of a run without evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inconclusive {
    /// It fails.
    Fails,
    /// It is told, and passes.
    Warns,
}

/// One suite with a case for each run.
pub fn junit(all: &[&Results], inconclusive: Inconclusive) -> String {
    let mut suite = TestSuite::new("schism");
    let mut seconds = 0.0;
    for results in all {
        seconds += results.real_seconds;
        suite.add_test_case(case(results, inconclusive));
    }
    suite.set_time(Duration::from_secs_f64(seconds));
    let mut report = Report::new("schism");
    report.set_time(Duration::from_secs_f64(seconds));
    report.add_test_suite(suite);
    report.to_string().unwrap_or_default()
}

fn case(results: &Results, inconclusive: Inconclusive) -> TestCase {
    let kind = match results.verdict {
        Verdict::Passed => None,
        Verdict::Violated | Verdict::Stalled | Verdict::Refuted => Some(NonSuccessKind::Failure),
        Verdict::Inconclusive if inconclusive == Inconclusive::Warns => None,
        Verdict::Inconclusive | Verdict::Error | Verdict::Interrupted => Some(NonSuccessKind::Error),
    };
    let status = kind.map_or_else(TestCaseStatus::success, |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_type(results.verdict.word());
        status.set_message(results.why.as_deref().unwrap_or_else(|| results.verdict.word()));
        status.set_description(text(results, Colour::Never));
        status
    });
    let name = [&[format!("seed {}", results.seed)], results.settings.as_slice()].concat().join(" ");
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("schism.{}.{}", results.backend, results.experiment));
    case.set_time(Duration::from_secs_f64(results.real_seconds));
    case.set_system_out(format!("repeat with: {}", results.repeat));
    case
}
