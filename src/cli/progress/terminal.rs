//! Progress on a terminal: two live lines below what was said.

use super::{Note, Watcher, state::State};
use crate::{cli::tell, study::Event, train::metric::Metric};
use anstyle::AnsiColor;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use std::{
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How often the live lines are drawn anew.
const TICK: Duration = Duration::from_millis(200);
const WITHOUT_COLORS: &str = "{spinner} {status}\n  {best}";
const WITH_COLORS: &str = "{spinner:.cyan} {status}\n  {best:.green}";

struct Live {
    state: State,
    began: Instant,
}

pub(super) struct Terminal {
    live: Arc<Mutex<Live>>,
    bar: ProgressBar,
}

impl Terminal {
    pub(super) fn new() -> Terminal {
        let live = Arc::new(Mutex::new(Live { state: State::default(), began: Instant::now() }));
        let (status, best) = (Arc::clone(&live), Arc::clone(&live));
        let colors = anstream::stderr().current_choice() != anstream::ColorChoice::Never;
        let template = if colors { WITH_COLORS } else { WITHOUT_COLORS };
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(
                style
                    .with_key("status", move |_: &ProgressState, out: &mut dyn Write| {
                        let live = lock(&status);
                        // Writing into a string cannot fail.
                        let _ = out.write_str(&live.state.status(live.began.elapsed().as_secs_f64()));
                    })
                    .with_key("best", move |_: &ProgressState, out: &mut dyn Write| {
                        let _ = out.write_str(&lock(&best).state.best().unwrap_or_default());
                    }),
            );
        }
        Terminal { live, bar }
    }
}

/// A panic elsewhere does not spoil what is shown.
fn lock(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher for Terminal {
    fn note(&mut self, note: Note<'_>) {
        self.bar.suspend(|| match note {
            Note::Notice(text) => tell(AnsiColor::Blue, "note", text),
            Note::Warning(text) => tell(AnsiColor::Yellow, "warning", text),
        });
    }

    fn event(&mut self, event: &Event<'_>) {
        let mut live = lock(&self.live);
        if let Event::Started { .. } = event {
            live.began = Instant::now();
            self.bar.enable_steady_tick(TICK);
        }
        live.state.take(event);
    }

    fn phase(&mut self, name: &str) {
        lock(&self.live).state.set_phase(name);
    }

    fn metric(&mut self, metric: &'static Metric) {
        lock(&self.live).state.set_metric(metric);
    }

    fn end(&mut self) {
        self.bar.finish_and_clear();
    }
}
