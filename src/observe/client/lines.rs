//! A stream of lines of the API server: a log or a watch. IO.

use std::io;
use std::pin::Pin;

use futures::{AsyncBufRead, AsyncBufReadExt};

/// The longest line of a log or a watch: an event holds one object.
const LINE: usize = 4 * 1024 * 1024;

/// A stream of lines: a log or a watch.
pub struct Lines {
    reader: Pin<Box<dyn AsyncBufRead + Send>>,
    buffer: Vec<u8>,
}

impl Lines {
    /// The lines of a reader.
    pub(super) fn new(reader: impl AsyncBufRead + Send + 'static) -> Self {
        Self {
            reader: Box::pin(reader),
            buffer: Vec::new(),
        }
    }

    /// The next line without its end; `None` at the end. Bytes that are not UTF-8 are replaced. Safe to cancel: what was read
    /// of a line is kept.
    ///
    /// # Errors
    /// The connection broke, or a line has no end.
    pub async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            let ready = self.reader.fill_buf().await?;
            let end = ready.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(ready.len(), |at| at + 1);
            self.buffer.extend_from_slice(&ready[..length]);
            self.reader.consume_unpin(length);
            if end.is_some() {
                break;
            }
            if length == 0 {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                break;
            }
            if self.buffer.len() > LINE {
                return Err(io::Error::other(format!(
                    "a line of the answer has more than {} MiB",
                    LINE >> 20
                )));
            }
        }
        let line = String::from_utf8_lossy(&self.buffer)
            .trim_end_matches(['\n', '\r'])
            .to_owned();
        self.buffer.clear();
        Ok(Some(line))
    }
}
