//! As much of BSON as a `hello` and a login need. Bytes in, data out. Pure.

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// An integer, or a double that is one.
    Number(i32),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Yes or no.
    Truth(bool),
    /// Anything else, passed over.
    Other,
}

/// A document, in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Document(Vec<(String, Value)>);

impl Document {
    /// With one more field.
    #[must_use]
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.0.push((key.to_owned(), value));
        self
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// A text field.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number field.
    pub(super) fn number(&self, key: &str) -> Option<i32> {
        match self.get(key)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A field of bytes.
    pub(super) fn bytes(&self, key: &str) -> Option<&[u8]> {
        match self.get(key)? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether a field says yes.
    pub(super) fn truth(&self, key: &str) -> bool {
        matches!(self.get(key), Some(Value::Truth(true)))
    }

    /// As bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (key, value) in &self.0 {
            let (kind, bytes) = match value {
                Value::Number(number) => (0x10, number.to_le_bytes().to_vec()),
                Value::Text(text) => {
                    let mut bytes = length(text.len() + 1);
                    bytes.extend(text.bytes());
                    bytes.push(0);
                    (0x02, bytes)
                }
                Value::Bytes(binary) => {
                    let mut bytes = length(binary.len());
                    bytes.push(0);
                    bytes.extend(binary);
                    (0x05, bytes)
                }
                Value::Truth(truth) => (0x08, vec![u8::from(*truth)]),
                Value::Other => continue,
            };
            body.push(kind);
            body.extend(key.bytes());
            body.push(0);
            body.extend(bytes);
        }
        body.push(0);
        [length(body.len() + 4), body].concat()
    }

    /// From bytes; nothing if they are no document.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (length, mut rest) = number(bytes)?;
        let inner = usize::try_from(length).ok()?.checked_sub(4)?;
        rest = rest.get(..inner)?;
        let mut fields = Vec::new();
        loop {
            let (kind, after) = rest.split_first()?;
            if *kind == 0 {
                return Some(Self(fields));
            }
            let end = after.iter().position(|byte| *byte == 0)?;
            let key = String::from_utf8_lossy(&after[..end]).into_owned();
            let (value, after) = value(*kind, &after[end + 1..])?;
            fields.push((key, value));
            rest = after;
        }
    }
}

fn length(bytes: usize) -> Vec<u8> {
    i32::try_from(bytes).unwrap_or(0).to_le_bytes().to_vec()
}

fn number(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((i32::from_le_bytes(*head), rest))
}

/// A value of that kind, and what follows it.
fn value(kind: u8, bytes: &[u8]) -> Option<(Value, &[u8])> {
    let passed = |size: usize| Some((Value::Other, bytes.get(size..)?));
    match kind {
        0x01 => {
            let (head, rest) = bytes.split_first_chunk::<8>()?;
            let double = f64::from_le_bytes(*head);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "`ok: 1.0` is the only double that is looked at"
            )]
            Some((Value::Number(double as i32), rest))
        }
        0x02 | 0x0d | 0x0e => {
            let (size, rest) = number(bytes)?;
            let size = usize::try_from(size).ok()?;
            let (text, rest) = rest.split_at_checked(size)?;
            let text = String::from_utf8_lossy(text.strip_suffix(&[0])?).into_owned();
            Some((Value::Text(text), rest))
        }
        0x03 | 0x04 => {
            let (size, _) = number(bytes)?;
            passed(usize::try_from(size).ok()?)
        }
        0x05 => {
            let (size, rest) = number(bytes)?;
            let (binary, rest) = rest
                .get(1..)?
                .split_at_checked(usize::try_from(size).ok()?)?;
            Some((Value::Bytes(binary.to_vec()), rest))
        }
        0x06 | 0x0a | 0x7f | 0xff => passed(0),
        0x07 => passed(12),
        0x08 => {
            let (truth, rest) = bytes.split_first()?;
            Some((Value::Truth(*truth == 1), rest))
        }
        0x09 | 0x11 | 0x12 => passed(8),
        0x10 => number(bytes).map(|(number, rest)| (Value::Number(number), rest)),
        0x13 => passed(16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reads_back_and_a_torn_one_is_none() {
        let document = Document::default()
            .with("ok", Value::Number(1))
            .with("setName", Value::Text("rs0".to_owned()))
            .with("payload", Value::Bytes(vec![1, 2]))
            .with("ismaster", Value::Truth(true));
        let bytes = document.encode();
        assert_eq!(Document::decode(&bytes), Some(document));
        for end in 0..bytes.len() {
            assert_eq!(Document::decode(&bytes[..end]), None);
        }
    }
}
