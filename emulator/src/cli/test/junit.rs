//! Results as JUnit XML.

use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Case, Verdict};
use crate::cli::dct::write_whole;
use crate::cli::{CliError, Outcome};

/// Writes all results.
pub fn write(path: &Path, done: &[(&Case, &Verdict)], host: Duration) -> Result<(), CliError> {
    let mut suite = TestSuite::new("lockstep");
    suite.set_time(host);
    for (case, verdict) in done {
        let kind = match verdict.outcome {
            Outcome::Done => None,
            Outcome::BadInput => Some(NonSuccessKind::Error),
            _ => Some(NonSuccessKind::Failure),
        };
        let mut status = kind.map_or_else(TestCaseStatus::success, TestCaseStatus::non_success);
        if kind.is_some() {
            status.set_type(format!("{:?}", verdict.outcome));
            status.set_message(verdict.reasons.first().cloned().unwrap_or_default());
            status.set_description(verdict.reasons.join("\n"));
        }
        let mut result = TestCase::new(case.name.clone(), status);
        result.set_classname("lockstep");
        result.set_time(verdict.host);
        suite.add_test_case(result);
    }
    let mut report = Report::new("lockstep test");
    report.add_test_suite(suite);
    let text = report.to_string().map_err(|error| CliError::file(path, error.to_string()))?;
    write_whole(path, text.as_bytes())
}
