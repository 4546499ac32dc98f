//! The parts of reading and writing that are the same for all messages; [`wire!`](crate::wire) calls them.

use super::{ReadJson, Reader, WriteJson, push_key};

/// Where a field goes that is read. The tables have their fields read through this, so that what differs from message to
/// message is a list of slots and no code.
pub trait Slot {
    /// Reads the field.
    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()>;

    /// Whether the field is there, or something that stands for it now.
    fn settle(&mut self) -> bool;
}

impl<T: ReadJson> Slot for Option<T> {
    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        *self = Some(T::read(reader)?);
        Some(())
    }

    fn settle(&mut self) -> bool {
        if self.is_none() {
            *self = T::absent();
        }
        self.is_some()
    }
}

/// A field that a function of its own reads.
pub struct By<'a, T>(pub &'a mut Option<T>, pub fn(&mut Reader<'_>) -> Option<T>);

impl<T: ReadJson> Slot for By<'_, T> {
    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        *self.0 = Some(self.1(reader)?);
        Some(())
    }

    fn settle(&mut self) -> bool {
        self.0.settle()
    }
}

/// A field that need not be there.
pub struct Or<'a>(pub &'a mut dyn Slot);

impl Slot for Or<'_> {
    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.0.read(reader)
    }

    fn settle(&mut self) -> bool {
        true
    }
}

/// Reads an object's fields into their slots. All are filled then, but for those in an [`Or`].
pub fn read_fields(
    reader: &mut Reader<'_>,
    names: &[&str],
    missing: &[&'static str],
    slots: &mut [&mut dyn Slot],
) -> Option<()> {
    reader.open(b'{')?;
    while reader.more(b'}')? {
        let key = reader.key()?;
        match names.iter().position(|name| key == **name) {
            Some(at) => slots[at].read(reader)?,
            None => drop(reader.skip()?),
        }
    }
    for (slot, missing) in slots.iter_mut().zip(missing) {
        if !slot.settle() {
            return reader.fail(missing);
        }
    }
    Some(())
}

/// What [`read_fields`] has filled.
pub fn filled<T>(slot: Option<T>) -> T {
    match slot {
        Some(value) => value,
        None => unreachable!("fields are missing"),
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
