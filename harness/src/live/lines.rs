//! Lines: orders on one stream, answers on another, in the same sequence.

use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::mpsc::Sender;

use super::order::Numbered;
use crate::run::live::{Orders, Request};

/// Where answers go.
pub type Out = Arc<Mutex<dyn Write + Send>>;

/// Orders that are read only when the last one is done, while time stands still.
pub fn awaited(input: impl BufRead + Send + 'static, out: Out) -> Orders {
    let mut lines = input.lines();
    Orders::Awaited(Box::new(move || {
        loop {
            let line = lines.next()?.ok()?;
            if let Some(request) = read(&line, &out) {
                return Some(request);
            }
        }
    }))
}

/// Passes orders on as they come, until the stream ends or nobody takes them any more.
pub fn pass_on(input: impl BufRead, out: &Out, told: &Sender<Request>) {
    for line in input.lines().map_while(Result::ok) {
        if let Some(request) = read(&line, out)
            && told.blocking_send(request).is_err()
        {
            return;
        }
    }
}

/// A line as a request; what is no order is answered at once, and an empty line says nothing.
fn read(line: &str, out: &Out) -> Option<Request> {
    if line.trim().is_empty() {
        return None;
    }
    let Numbered { id, order } = Numbered::read(line);
    let out = out.clone();
    match order {
        Err(why) => {
            say(&out, &id, &Err(why));
            None
        }
        Ok(order) => Some(Request { order, reply: Box::new(move |done| say(&out, &id, &done)) }),
    }
}

fn say(out: &Out, id: &Value, done: &Result<Value, String>) {
    let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
    // Whoever asked may have left.
    let _ = out.write_all(Numbered::answer(id, done).as_bytes()).and_then(|()| out.flush());
}
