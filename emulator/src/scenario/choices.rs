//! The choices of a hunt among what a scenario leaves open.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use lockstep_modem::duration::parse_duration_ps;
use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::file::ScenarioError;
use super::{Action, Condition, Scenario, Step, StepTemplate, Template};

/// The stream that choices are drawn from.
const STREAM: &str = "hunt";
const PPM: u64 = 1_000_000;

/// How the places of a scenario are filled, by name. What is not in it is as in a plain run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices(pub BTreeMap<String, u64>);

/// A field of a step that may have places.
const FIELDS: [&str; 4] = ["at", "when", "after", "do"];

fn happens_name(index: usize) -> String {
    format!("step {} happens", index + 1)
}

fn place_name(index: usize, field: &str, place: usize) -> String {
    format!("step {} {field} {}", index + 1, place + 1)
}

fn templates(step: &StepTemplate) -> [(&'static str, Option<&Template>); 4] {
    let [at, when, after, action] = FIELDS;
    [(at, step.at.as_ref()), (when, step.when.as_ref()), (after, step.after.as_ref()), (action, Some(&step.action))]
}

impl Choices {
    /// Draws everything that a scenario leaves open. Whole kinds of steps are left out in half of the runs: what hides
    /// behind a kind of disturbance that is there always is found by the runs without it.
    pub fn draw(scenario: &Scenario, seed: u64) -> Self {
        let mut decisions = Decisions::new(seed);
        let mut draw = |what: &str, high: u64| decisions.draw(0, STREAM, what, 0, high);
        let kinds: BTreeSet<&String> = scenario.steps.iter().filter_map(|step| step.kind.as_ref()).collect();
        let kinds: BTreeMap<&String, bool> = kinds.into_iter().map(|kind| (kind, draw(kind, 1) == 1)).collect();
        let mut choices = BTreeMap::new();
        for (index, step) in scenario.steps.iter().enumerate() {
            let is_in = step.kind.as_ref().is_none_or(|kind| kinds.get(kind).copied().unwrap_or(true));
            if let Some(chance_ppm) = step.chance_ppm {
                let happens = draw(&happens_name(index), PPM - 1) < chance_ppm;
                if !(happens && is_in) {
                    continue;
                }
                choices.insert(happens_name(index), 1);
            }
            for (field, template) in templates(step) {
                for (place, hole) in template.into_iter().flat_map(Template::holes).enumerate() {
                    let name = place_name(index, field, place);
                    let choice = draw(&name, hole.choices() - 1);
                    if choice > 0 {
                        choices.insert(name, choice);
                    }
                }
            }
        }
        Self(choices)
    }

    /// The same without these.
    pub fn without<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Self {
        let mut choices = self.clone();
        for name in names {
            choices.0.remove(name);
        }
        choices
    }
}

impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (name, choice)) in self.0.iter().enumerate() {
            write!(f, "{}{name} = {choice}", if n > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// A step with its places filled; `None` if it is left out.
pub(super) fn step(index: usize, step: &StepTemplate, choices: &Choices) -> Result<Option<Step>, ScenarioError> {
    let chosen = |name: &str| choices.0.get(name).copied().unwrap_or(0);
    if step.chance_ppm.is_some() && chosen(&happens_name(index)) == 0 {
        return Ok(None);
    }
    let text = |field: &str, template: &Template| {
        template.fill(|place, hole| chosen(&place_name(index, field, place)).min(hole.choices() - 1))
    };
    let [at, when, after, action] = templates(step).map(|(field, template)| template.map(|t| text(field, t)));
    let wrong =
        |field: &str, problem: String| ScenarioError::Step { number: index + 1, field: field.to_owned(), problem };
    let duration = |field: &str, text: Option<String>| match text {
        Some(text) => parse_duration_ps(&text).map_err(|problem| wrong(field, problem)),
        None => Ok(0),
    };
    let text = action.unwrap_or_default();
    Ok(Some(Step {
        number: index + 1,
        at_ps: duration("at", at)?,
        when: when.map(|text| Condition::parse(&text)).transpose().map_err(|problem| wrong("when", problem))?,
        after_ps: duration("after", after)?,
        action: Action::parse(&text).map_err(|problem| wrong("do", problem))?,
        text,
    }))
}

/// Every filling that a step can have at the ends of its ranges and of each alternative: what is checked when a scenario
/// is read, so that a hunt does not stumble in its thousandth run.
pub(super) fn probes(index: usize, step: &StepTemplate) -> Vec<Choices> {
    let always = Choices(BTreeMap::from([(happens_name(index), 1)]));
    let mut probes = vec![always.clone()];
    for (field, template) in templates(step) {
        for (place, hole) in template.into_iter().flat_map(Template::holes).enumerate() {
            let alternatives = match hole {
                super::Hole::OneOf(texts) => 1..texts.len() as u64,
                super::Hole::Number { .. } => hole.choices() - 1..hole.choices(),
            };
            for choice in alternatives {
                let mut probe = always.clone();
                probe.0.insert(place_name(index, field, place), choice);
                probes.push(probe);
            }
        }
    }
    probes
}
