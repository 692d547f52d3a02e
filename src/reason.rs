//! Why a file could not be read, in words for people. Pure.

use std::io;

/// Why a message about a file says no more.
pub(crate) const UNQUOTED: &str =
    "the file lies outside of the project, or is a link out of it, so nothing of it is quoted";

/// What the operating system says, as a clause: `there is no such file`.
pub(crate) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "no permission to read it".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        // Without a text of our own it comes from the decoder.
        io::ErrorKind::InvalidData if error.get_ref().is_none() => "it is no UTF-8 text".to_owned(),
        _ if error.get_ref().is_some() => error.to_string(),
        _ => said(error).to_lowercase(),
    }
}

/// Why nothing can be written into a folder, as a clause.
pub(crate) fn unwritable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such folder; make it".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        _ => said(error),
    }
}

/// What the operating system says, without its number.
pub(crate) fn said(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, rest)) => {
            let rest = rest.split_once(')').map_or("", |(_, rest)| rest);
            format!("{words}{rest}")
        }
        None => text,
    }
}

/// The error of a file that is larger than that many bytes.
pub(crate) fn too_large(most: u64) -> io::Error {
    let text = format!("it is larger than {} MiB", most / (1024 * 1024));
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_words() {
        let system = |number| unreadable(&io::Error::from_raw_os_error(number));
        assert_eq!(system(2), "there is no such file");
        assert_eq!(system(13), "no permission to read it");
        assert_eq!(system(21), "it is a directory");
        assert_eq!(system(20), "not a directory");
        let folder = |number| unwritable(&io::Error::from_raw_os_error(number));
        assert_eq!(folder(2), "there is no such folder; make it");
        assert_eq!(folder(28), "the disk is full");
        assert_eq!(folder(13), "Permission denied");
        let text = io::read_to_string(&[0xff_u8][..]).unwrap_err();
        assert_eq!(unreadable(&text), "it is no UTF-8 text");
        let large = too_large(8 * 1024 * 1024);
        assert_eq!(unreadable(&large), "it is larger than 8 MiB");
    }
}
