//! What docs/SCENARIOS.md shows, and the scenarios of the repository.

use std::path::Path;

use lockstep_images::app_config::AppConfig;

use super::*;
use crate::setup::files::Kept;

const PAGE: &str = include_str!("../../../docs/SCENARIOS.md");

/// The page's blocks: the language, and the text.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let parts: Vec<&str> = PAGE.split("```").collect();
    let inside = parts.chunks_exact(2).filter_map(|pair| pair[1].split_once('\n'));
    inside.collect()
}

/// What stands in the first column of the table below a heading, each piece of code by itself.
fn first_column(heading: &str) -> Vec<String> {
    let (_, section) = PAGE.split_once(&format!("\n{heading}\n")).expect("the heading");
    let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let cells = rows.take_while(|line| line.starts_with('|')).filter_map(|row| {
        let row = row.replace("\\|", "\u{1}");
        row.split('|').nth(1).map(|cell| cell.replace('\u{1}', "|"))
    });
    let code = |cell: String| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    cells.flat_map(code).collect()
}

#[test]
fn what_the_page_shows_is_read() {
    let good: Vec<&str> = blocks().iter().filter(|(kind, _)| *kind == "toml").map(|(_, text)| *text).collect();
    assert!(good.len() >= 6);
    for text in good {
        Scenario::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
    let (conditions, actions) = (first_column("## Conditions"), first_column("### Actions"));
    assert!(conditions.len() > 20 && actions.len() > 20);
    for text in conditions {
        Condition::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    for text in actions {
        Action::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    for text in first_column("## What a hunt may vary") {
        Template::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn mistakes_read_as_the_page_says() {
    let blocks = blocks();
    let wrong: Vec<_> = blocks.windows(2).filter(|pair| pair[0].0 == "toml wrong").collect();
    assert!(wrong.len() >= 4);
    for pair in wrong {
        let error = Scenario::parse(pair[0].1).expect_err(pair[0].1).to_string();
        assert_eq!(error, pair[1].1.trim_end());
    }
}

#[test]
fn the_scenarios_of_the_repository_are_read() {
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces");
    for folder in ["scenarios", "hunts"] {
        let files = std::fs::read_dir(traces.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
        assert!(files.len() >= 3, "{folder}");
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(scenario.expectations.is_empty(), folder == "hunts", "{}", path.display());
        }
    }
}

#[test]
fn a_hunt_reads_the_files_of_every_alternative() {
    let text = "[device]\nfirmware = '2.2.0'\n[[step]]\nchance = '10%'\ndo = 'ota {old.bin|new.bin}'\n";
    let files = Scenario::parse(text).unwrap().files_of_steps().unwrap();
    assert_eq!(Vec::from_iter(files), ["new.bin", "old.bin"].map(std::path::PathBuf::from));
}

#[test]
fn an_image_like_the_device_has_what_a_variant_says_of_the_application() {
    let text = "[device]\napp = 'app.bin'\napp_set = { mode = 'echo', period_ms = 500 }\n\
                [[image]]\nname = 'new.bin'\napp = 'app.bin'\nlike_device = true\nset = { version = 2, period_ms = 250 }\n\
                [[image]]\nname = 'other.bin'\napp = 'app.bin'\nset = { version = 2 }\n\
                [[variant]]\nname = 'late'\napp_set = { connect_delay_ms = 15000 }\n";
    let scenario = Scenario::parse(text).unwrap();
    let scenario = scenario.on(&scenario.variants[0]);
    let app = include_bytes!("../../../firmware-images/built/app.bin").to_vec();
    let mut kept = Kept::default();
    kept.0.insert("app.bin".into(), app);
    let mut files = &kept;
    let mut made = ScenarioFiles::new(&scenario, &mut files).unwrap();
    let mut config = |name: &str| app_config::read(&made.read(Path::new(name)).unwrap()).unwrap();
    let like = config("new.bin");
    assert_eq!((like.connect_delay_ms, like.period_ms, like.version), (15_000, 250, 2));
    assert_eq!(like.mode, app_config::Mode::Echo);
    assert_eq!(config("other.bin"), AppConfig { version: 2, ..AppConfig::default() });
}
