//! Reading an experiment: a file, its topology, and settings laid over both.

mod checks;
mod faults;
mod profile;
mod sane;
mod steps;
mod top;

use std::path::{Path, PathBuf};

use schism_chaos::schedule::{Lasting, Moment, Start, Step};

use super::{Control, Experiment, NEWCOMERS, Without};
use crate::claim;
use crate::yaml::{Context, Node, Refusal, Setting, Value};

/// One way to run a file that sweeps: the settings that make it this one, and what it then is.
#[derive(Clone, Debug, PartialEq)]
pub struct Combination {
    /// `path=value`, in the order of the sweep.
    pub settings: Vec<String>,
    /// The experiment, with no sweep left.
    pub experiment: Experiment,
}

impl Experiment {
    /// Reads a file, with settings (`path=value`) laid over it. A path's first part is a key of the file, or the name or
    /// kind of a step, and may go on into the topology: `topology.overlay.unstructured.degree=4`.
    pub fn load(path: &Path, settings: &[String]) -> Result<Self, Refusal> {
        let context = Context::default();
        let tree = context.file(path);
        let folder = path.parent().unwrap_or(Path::new("."));
        let experiment = tree.and_then(|tree| from_tree(&context, tree, folder, "--set", settings));
        context.finish(experiment)
    }

    /// Reads a text, known as `name` in messages; topologies are looked up from `folder`.
    pub fn parse(name: &str, text: &str, folder: &Path) -> Result<Self, Refusal> {
        let context = Context::default();
        let tree = context.document(name, text);
        let experiment = tree.and_then(|tree| from_tree(&context, tree, folder, "--set", &[]));
        context.finish(experiment)
    }

    /// All combinations of a file's sweep; of a file without one, itself.
    pub fn load_combinations(path: &Path, settings: &[String]) -> Result<Vec<Combination>, Refusal> {
        let whole = Self::load(path, settings)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let read = |chosen: Vec<String>| {
            let context = Context::default();
            let tree = context.file(path);
            let with_settings = settings.iter().chain(&chosen).cloned().collect::<Vec<_>>();
            let experiment = tree.and_then(|tree| from_tree(&context, tree, folder, "sweep", &with_settings));
            let mut experiment = context.finish(experiment)?;
            experiment.sweep.clear();
            Ok(Combination { settings: chosen, experiment })
        };
        combine(&whole.sweep).into_iter().map(read).collect()
    }
}

/// What a file says that is a topology and no experiment, once it is played: nothing happens by itself, and safety holds.
const OF_TOPOLOGY: &str = "always: { supply: exact, no_double_spend: true }";

impl Experiment {
    /// Reads an experiment, or a topology as one in which nothing happens.
    pub fn load_either(path: &Path, settings: &[String]) -> Result<Self, Refusal> {
        let context = Context::default();
        let tree = context.quietly(|| context.file(path));
        let Some(tree) = tree.filter(|tree| tree.get("topology").is_none() && tree.get("groups").is_some()) else {
            return Self::load(path, settings);
        };
        let about = tree.get("about").and_then(Node::as_text).unwrap_or_default();
        let (shown, file) = (path.display().to_string(), path.file_name().unwrap_or_default().to_string_lossy());
        let context = Context::default();
        let tree = context.document(&shown, &format!("# {about}\ntopology: {file:?}\n{OF_TOPOLOGY}"));
        let folder = path.parent().unwrap_or(Path::new("."));
        let experiment = tree.and_then(|tree| from_tree(&context, tree, folder, "--set", settings));
        context.finish(experiment)
    }

    /// Reads one more step, as a file would say it, for a schedule that has these already. `name` is the text's in messages.
    pub fn read_step(&self, name: &str, text: &str, before: &[Step]) -> Result<Step, Refusal> {
        let context = Context::default();
        let mut known = self.topology.known();
        known.add_group(NEWCOMERS, self.room);
        let step = context.parse(name, text).and_then(|node| faults::read_one(&context, node, known, before));
        context.finish(step)
    }

    /// The experiment a control asks for: read again with the control's settings, and without the step it takes away.
    /// What [`Without::Heal`] takes away cannot be said in a schedule and is left to whoever plays it.
    pub fn controlled(path: &Path, settings: &[String], control: &Control) -> Result<Self, Refusal> {
        let context = Context::default();
        let tree = context.file(path);
        let folder = path.parent().unwrap_or(Path::new("."));
        let more = control.with.iter().map(|(path, value)| format!("{path}={value}"));
        let settings: Vec<String> = settings.iter().cloned().chain(more).collect();
        let experiment = tree.and_then(|tree| from_tree(&context, tree, folder, "control", &settings));
        let mut experiment = context.finish(experiment)?;
        experiment.sweep.clear();
        experiment.controls.clear();
        if let Some(Without::Step(name)) = &control.without {
            experiment.remove(name);
        }
        Ok(experiment)
    }

    /// Takes a step away, and those that wait for it; who was to last until it lasts to the end.
    fn remove(&mut self, name: &str) {
        let mut gone = vec![name.to_owned()];
        let waits = |start: &Start, gone: &[String]| match start {
            Start::After(Moment::Started(name) | Moment::Healed(name)) => gone.contains(name),
            _ => false,
        };
        // Steps wait for steps above them only, so one pass is enough.
        self.faults.retain(|step| {
            if waits(&step.trigger.start, &gone) {
                gone.push(step.name.clone());
            }
            !gone.contains(&step.name)
        });
        for step in &mut self.faults {
            if matches!(&step.lasting, Lasting::Until(start) if waits(start, &gone)) {
                step.lasting = Lasting::End;
            }
        }
    }
}

/// One choice of each: the last turns fastest.
fn combine(sweep: &[(String, Vec<String>)]) -> Vec<Vec<String>> {
    let start = vec![Vec::new()];
    sweep.iter().fold(start, |chosen, (path, values)| {
        let with = |before: &Vec<String>, value: &String| [before.as_slice(), &[format!("{path}={value}")]].concat();
        chosen.iter().flat_map(|before| values.iter().map(move |value| with(before, value))).collect()
    })
}

fn from_tree(
    context: &Context,
    mut tree: Node,
    folder: &Path,
    origin: &str,
    settings: &[String],
) -> Option<Experiment> {
    let settings: Vec<_> = settings.iter().map(|text| Setting::parse(context, origin, text)).collect();
    let settings: Vec<Setting> = settings.into_iter().collect::<Option<_>>()?;
    let (whole, inner): (Vec<_>, Vec<_>) = settings.into_iter().partition(|setting| setting.path == ["topology"]);
    whole.iter().try_for_each(|setting| setting.apply(context, &mut tree))?;
    // The topology's own file becomes part of the tree, so that settings reach into it and problems show where they are.
    let file = read_topology(context, &mut tree, folder);
    let inner = profile::lay_over(context, &mut tree, inner)?;
    inner.into_iter().try_for_each(|setting| resolve(context, &tree, setting)?.apply(context, &mut tree))?;
    let mut experiment = top::read(context, &tree)?;
    experiment.topology_file = file;
    Some(experiment)
}

fn read_topology(context: &Context, tree: &mut Node, folder: &Path) -> Option<PathBuf> {
    let Value::Map(entries) = &mut tree.value else { return None };
    let entry = entries.iter_mut().find(|entry| entry.key == "topology")?;
    let path = PathBuf::from(entry.value.as_text()?);
    let beside = folder.join(&path);
    // A flag is typed where the user stands, a file's path is meant from the file.
    let found = [beside.clone(), path.clone()].into_iter().find(|path| path.is_file());
    match found {
        Some(found) => entry.value = context.file(&found)?,
        None => {
            let what = format!("there is no topology `{}`", beside.display());
            context.wrong(
                entry.value.at,
                what,
                nearby(&beside).or_else(|| Some("give its path from this file".into())),
            );
            // What follows would only repeat that nothing is known.
            entry.value.value = Value::Nothing;
        }
    }
    Some(path)
}

/// A file beside the one that is not there, with nearly its name.
fn nearby(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let files = std::fs::read_dir(path.parent()?).ok()?;
    let mut names: Vec<String> = files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    let near = names.iter().filter(|name| strsim::damerau_levenshtein(wanted, name) <= 3);
    near.min_by_key(|name| strsim::damerau_levenshtein(wanted, name)).map(|name| format!("did you mean `{name}`?"))
}

/// A setting whose path begins with a step's name or kind is one of the list of faults.
fn resolve(context: &Context, tree: &Node, mut setting: Setting) -> Option<Setting> {
    let first = setting.path[0].clone();
    if let ([name], Some(_)) = (setting.path.as_slice(), tree.get("claim"))
        && claim::SHORT.contains(&name.as_str())
    {
        let key = if name == "profile" { &["claim"][..] } else { &["claim", "at"][..] };
        setting.path.splice(0..0, key.iter().map(|key| (*key).to_owned()));
        return Some(setting);
    }
    let Some(Value::List(faults)) = tree.get("faults").map(|faults| &faults.value) else { return Some(setting) };
    if top::KEYS.contains(&first.as_str()) {
        return Some(setting);
    }
    let named = |fault: &&Node| fault.get("name").and_then(Node::as_text) == Some(&first);
    let of_kind = |fault: &&Node| fault.get(&first).is_some();
    let positions = |is: &dyn Fn(&&Node) -> bool| -> Vec<usize> {
        faults.iter().enumerate().filter(|(_, fault)| is(fault)).map(|(position, _)| position).collect()
    };
    let (by_name, by_kind) = (positions(&named), positions(&of_kind));
    match (by_name.as_slice(), by_kind.as_slice()) {
        ([position], _) => setting.path.splice(0..1, ["faults".to_owned(), position.to_string()]),
        ([], [position]) => setting.path.splice(0..0, ["faults".to_owned(), position.to_string()]),
        ([], [_, _, ..]) => {
            let help = "name the steps, or say `faults.0.…`, `faults.1.…`".to_owned();
            context.wrong(setting.at, format!("there are {} steps of kind `{first}`", by_kind.len()), Some(help));
            return None;
        }
        _ => return Some(setting),
    };
    Some(setting)
}
