//! The parts of reading and writing that are the same for all messages; [`wire!`](crate::wire) calls them.

use super::{ReadJson, Reader, WriteJson, push_key};

/// Steps to the next field that has one of `names`, and returns which; at the end, nothing.
pub fn next_field(reader: &mut Reader<'_>, names: &[&str]) -> Option<Option<usize>> {
    while reader.more(b'}')? {
        let key = reader.key()?;
        match names.iter().position(|name| key == **name) {
            Some(at) => return Some(Some(at)),
            None => reader.skip()?,
        };
    }
    Some(None)
}

/// Reads a field.
#[inline(never)]
pub fn read_into<T: ReadJson>(field: &mut Option<T>, reader: &mut Reader<'_>) -> Option<()> {
    *field = Some(T::read(reader)?);
    Some(())
}

/// A field that was read, or what stands for one that is not there.
pub fn field<T: ReadJson>(
    read: Option<T>,
    reader: &mut Reader<'_>,
    missing: &'static str,
) -> Option<T> {
    match read.or_else(T::absent) {
        Some(value) => Some(value),
        None => reader.fail(missing),
    }
}

/// Which of the variants follows, and whether it has a content, to be read next.
pub fn open_variant(reader: &mut Reader<'_>, names: &[&str]) -> Option<(usize, bool)> {
    let has_content = reader.next_byte() == Some(b'{');
    let name = if has_content {
        reader.open(b'{')?;
        if !reader.more(b'}')? {
            return reader.fail("nothing is said");
        }
        reader.key()?
    } else {
        reader.string()?
    };
    match names.iter().position(|known| name == **known) {
        Some(at) => Some((at, has_content)),
        None => reader.fail("unknown kind"),
    }
}

/// A variant's content follows only where it stands in an object.
pub fn content(reader: &mut Reader<'_>, has_content: bool) -> Option<()> {
    if has_content {
        Some(())
    } else {
        reader.fail("a kind without its content")
    }
}

/// The end of a variant that has a content.
pub fn close_variant(reader: &mut Reader<'_>, has_content: bool) -> Option<()> {
    if has_content && reader.more(b'}')? {
        return reader.fail("more than one thing is said");
    }
    Some(())
}

/// Writes a field.
pub fn put<T: WriteJson + ?Sized>(out: &mut String, name: &str, value: &T) {
    if !value.is_absent() {
        push_key(out, name);
        value.write(out);
    }
}
