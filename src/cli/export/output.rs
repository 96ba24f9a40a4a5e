//! The events of an export on their way to stdout.

use nightlatch_audit::{ExportFormat, LogReader, Record};

use crate::cli::args::ExportForm;
use crate::cli::exit::Failure;
use crate::cli::ui::Ui;

/// How much is written at a time.
pub const PIECE: usize = 64 * 1024;

/// Lines on their way to stdout.
pub struct Output {
    pub ui: Ui,
    pub format: ExportFormat,
    pub fingerprint: Option<String>,
    pub pending: Vec<u8>,
    /// `false` when nobody reads any more.
    pub wanted: Result<bool, Failure>,
}

impl Output {
    pub fn new(ui: Ui, form: ExportForm, log: &LogReader<'_>) -> Self {
        let format = match form {
            ExportForm::Ocsf => ExportFormat::Ocsf,
            ExportForm::Ecs => ExportFormat::Ecs,
            ExportForm::Jsonl => ExportFormat::Jsonl,
        };
        Self {
            ui,
            format,
            // A log whose first line is damaged is exported all the same.
            fingerprint: log.fingerprint().ok().flatten(),
            pending: Vec::with_capacity(2 * PIECE),
            wanted: Ok(true),
        }
    }

    pub fn add(&mut self, record: &Record) {
        self.format
            .append(&mut self.pending, record, self.fingerprint.as_deref());
    }

    pub fn write(&mut self) {
        self.wanted = self.ui.json_text(&String::from_utf8_lossy(&self.pending));
        self.pending.clear();
    }

    pub fn is_over(&self) -> bool {
        !matches!(self.wanted, Ok(true))
    }

    pub fn finish(mut self) -> Result<(), Failure> {
        if !self.is_over() && !self.pending.is_empty() {
            self.write();
        }
        self.wanted.map(drop)
    }
}
