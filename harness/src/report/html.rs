//! HTML: one page that needs nothing else, with the heights of all nodes over time and when faults acted.

use std::fmt::Write;

use super::{Colour, Results, TimelinePoint, Verdict, text, text::for_people};

/// The page.
pub fn html(results: &Results) -> String {
    let title = escape(&results.experiment);
    let colour = match results.verdict {
        Verdict::Passed => "#1a7f37",
        Verdict::Inconclusive | Verdict::Interrupted => "#9a6700",
        _ => "#cf222e",
    };
    let verdict = results.verdict.word();
    let about = escape(&results.about);
    let timeline = timeline(results);
    let told = escape(&text(results, Colour::Never));
    let nodes = nodes(results);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}: {verdict}</title>\n\
         <style>{STYLE} .verdict {{ background: {colour} }}</style></head><body>\n\
         <h1>{title} <span class=\"verdict\">{verdict}</span></h1>\n<p>{about}</p>\n\
         <p class=\"facts\">seed {} · {} · {} faults</p>\n{timeline}\n<pre>{told}</pre>\n{nodes}</body></html>\n",
        results.seed,
        escape(&results.backend),
        escape(&results.fault_layer),
    )
}

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #1f2328 } \
h1 { font-size: 1.5em } .verdict { color: white; border-radius: .3em; padding: .1em .5em; font-size: .7em } \
.facts { color: #59636e } pre { background: #f6f8fa; padding: 1em; overflow-x: auto; font-size: 13px } \
table { border-collapse: collapse; font-size: 13px } td, th { padding: .2em .8em; text-align: left; border-bottom: 1px solid #d1d9e0 } \
svg { width: 100%; height: auto; background: #fff; border: 1px solid #d1d9e0 } svg text { font: 11px system-ui, sans-serif; fill: #59636e }";

const WIDTH: f64 = 960.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 12.0;
const PLOT: f64 = 300.0;
const TOP: f64 = 12.0;
const BAR: f64 = 18.0;

/// Heights above, fault bars below, on one axis of time.
fn timeline(results: &Results) -> String {
    let points = &results.heights;
    let last = points.iter().map(|point| point.at).fold(results.virtual_seconds, f64::max).max(1.0);
    let top = points.iter().map(|point| point.height).max().unwrap_or(0).max(1);
    let x = |at: f64| LEFT + (WIDTH - LEFT - RIGHT) * at.clamp(0.0, last) / last;
    let y = |height: u32| TOP + PLOT * (1.0 - f64::from(height) / f64::from(top));
    let steps = steps(results);
    let height = TOP + PLOT + 30.0 + BAR * steps.len() as f64 + 8.0;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"heights over time\">\n");
    for tick in 0..=4 {
        let (at, level) = (last * f64::from(tick) / 4.0, top * tick / 4);
        let (across, up) = (x(at), y(level));
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{up:.1}\" x2=\"{:.1}\" y2=\"{up:.1}\" stroke=\"#eaeef2\"/>",
            WIDTH - RIGHT
        );
        let _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{level}</text>", LEFT - 6.0, up + 4.0);
        let _ = writeln!(
            svg,
            "<text x=\"{across:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            TOP + PLOT + 16.0,
            for_people(at)
        );
    }
    for bar in &results.fault_bars {
        let (from, to) = (x(bar.from), x(bar.to.unwrap_or(last)));
        let width = (to - from).max(2.0);
        let row = steps.iter().position(|step| *step == bar.step).unwrap_or(0) as f64;
        let low = TOP + PLOT + 26.0 + BAR * row;
        let name = escape(&bar.step);
        let _ = write!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{PLOT}\" fill=\"#cf222e\" opacity=\".06\"/>"
        );
        let _ = write!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{low:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"#cf222e\" opacity=\".45\">",
            BAR - 5.0
        );
        let _ = writeln!(
            svg,
            "<title>{name}: {} to {}</title></rect>",
            for_people(bar.from),
            for_people(bar.to.unwrap_or(last))
        );
    }
    for (row, step) in steps.iter().enumerate() {
        let low = TOP + PLOT + 36.0 + BAR * row as f64;
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{low:.1}\">{}</text>", LEFT + 4.0, escape(step));
    }
    for (number, name) in names(points).iter().enumerate() {
        let hue = number as f64 * 137.508 % 360.0;
        let mut path = String::new();
        let mut before: Option<f64> = None;
        for point in points.iter().filter(|point| point.node == **name) {
            let (across, up) = (x(point.at), y(point.height));
            // A step, not a slope: a node has one height until it has another.
            let _ = match before {
                None => write!(path, "M{across:.1} {up:.1}"),
                Some(level) => write!(path, "L{across:.1} {level:.1}L{across:.1} {up:.1}"),
            };
            before = Some(up);
        }
        if let Some(level) = before {
            let _ = write!(path, "L{:.1} {level:.1}", x(last));
        }
        let name = escape(name);
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"hsl({hue:.0} 60% 45%)\" stroke-width=\"1.3\" opacity=\".75\"><title>{name}</title></path>"
        );
    }
    svg + "</svg>"
}

/// Steps that acted, in the order in which they first did.
fn steps(results: &Results) -> Vec<&str> {
    let mut steps: Vec<&str> = Vec::new();
    for bar in &results.fault_bars {
        if !steps.contains(&bar.step.as_str()) {
            steps.push(&bar.step);
        }
    }
    steps
}

fn names(points: &[TimelinePoint]) -> Vec<&str> {
    let mut names: Vec<&str> = points.iter().map(|point| point.node.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn nodes(results: &Results) -> String {
    if results.nodes.is_empty() {
        return String::new();
    }
    let mut table = "<table><tr><th>node<th>role<th>state<th>height<th>tip<th>digest<th>peers<th>pool<th>mined<th>served<th>verified<th>processor</tr>\n".to_owned();
    for node in &results.nodes {
        let cells = [
            node.name.clone(),
            node.role.clone(),
            node.state.clone(),
            node.height.to_string(),
            text::short(&node.tip),
            text::short(&node.digest),
            node.peers.to_string(),
            node.pool.to_string(),
            node.mined.to_string(),
            node.bytes_served.to_string(),
            node.verifications.to_string(),
            node.processor_seconds.map_or_else(String::new, |took| format!("{took:.1} s")),
        ];
        let cells: String = cells.iter().map(|cell| format!("<td>{}", escape(cell))).collect();
        let _ = writeln!(table, "<tr>{cells}</tr>");
    }
    table + "</table>\n"
}

fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
