//! A scenario that is run until something is found.

use lockstep::explain::{Evidence, Explanation, Finding as Said, Moment, page};
use lockstep::observe::cause_text;
use lockstep::oracle::{Finding, Kind};
use lockstep::places::Places;
use lockstep::scenario::Scenario;
use lockstep::session::Session;
use lockstep::setup::files::Folder;
use lockstep_images::SymbolTable;

use crate::vendor::vendor_set;

const PS_PER_MS: u64 = 1_000_000_000;
const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware-images/built");

/// Where user modules live.
pub const APP: std::ops::Range<u32> = 0x0808_0000..0x080a_0000;

/// A running scenario.
pub struct Bench {
    pub session: Session,
}

impl Bench {
    /// Our application with these settings on a version of the vendor's firmware; `more` goes on with the scenario.
    /// `None` without the vendor's images.
    pub fn start(version: &str, app_set: &str, more: &str) -> Option<Self> {
        vendor_set(version, app_set)?;
        let text = format!("[device]\nfirmware = \"{version}\"\napp = \"app.bin\"\napp_set = {{ {app_set} }}\n{more}");
        Some(Self::of(&text))
    }

    /// Of a whole scenario.
    pub fn of(text: &str) -> Self {
        let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut files = Folder::new(BUILT);
        let mut session = Session::start(&scenario, scenario.seed, None, &mut files).unwrap().session;
        session.machine.observer.keep_history();
        Self { session }
    }

    pub fn now_ms(&self) -> u64 {
        self.session.machine.now().time_ps / PS_PER_MS
    }

    pub fn run_to(&mut self, ms: u64) -> &mut Self {
        self.session.run_until_ps(ms * PS_PER_MS).unwrap();
        self
    }

    /// Runs until something of this kind is found, looked at each 100 ms, at most until `ms`.
    pub fn until(&mut self, kind: Kind, ms: u64) -> Finding {
        loop {
            if let Some(finding) = self.found().into_iter().find(|finding| finding.kind == kind) {
                return finding.clone();
            }
            let now_ms = self.now_ms();
            assert!(now_ms < ms, "no {kind} within {ms} ms: {:#?}", self.session.findings());
            self.run_to(now_ms + 100);
        }
    }

    /// What was found of the application: the system makes stores through a null pointer of its own when it starts.
    pub fn found(&self) -> Vec<&Finding> {
        let is_of_system =
            |finding: &Finding| finding.kind == Kind::NullWrite && !finding.signature.starts_with("at 0x0808");
        self.session.findings().iter().filter(|finding| !is_of_system(finding)).collect()
    }

    /// The kinds found so far, each once, in order.
    pub fn kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = Vec::new();
        for finding in self.found() {
            if !kinds.contains(&finding.kind) {
                kinds.push(finding.kind);
            }
        }
        kinds
    }

    /// The explanation of the last moment that was kept, or of the present one.
    pub fn explanation(&self, of_now: bool) -> String {
        let machine = &self.session.machine;
        let observer = &machine.observer;
        let kept = observer.history().unwrap().moments().last().filter(|_| !of_now);
        let now = Moment::of(machine);
        let moment = kept.unwrap_or(&now);
        let said = |finding: &Finding| Said {
            kind: finding.kind.name().to_owned(),
            time_ps: finding.time_ps,
            text: finding.text.clone(),
        };
        let findings: Vec<Said> = self.session.findings().iter().map(said).collect();
        let resets: Vec<(u64, String)> =
            observer.resets().iter().map(|reset| (reset.now.time_ps, cause_text(reset.cause))).collect();
        let places = Places::new(SymbolTable::default(), &moment.flash);
        let led = observer.led().changes();
        let evidence =
            Evidence { moment, findings: &findings, led, resets: &resets, places: &places, last_write: None };
        page(&Explanation::of(&evidence))
    }
}

/// Each of these is in the page.
#[track_caller]
pub fn says(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part:?} is not in\n{page}");
    }
}
