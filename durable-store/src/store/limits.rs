//! How large one write may become, and one read of documents, which other writes wait for.

/// Above these a write ends, and what is left goes into the next one: who waits for the first of ten thousand documents
/// does not wait for the last. A write ends with the record that reaches a limit. One read of documents has half of the
/// bytes, and a quarter of the records, about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteLimits {
    /// Bytes of documents and of the journal. Slow storages write some ten megabytes a second, so one write takes about
    /// a tenth of a second there.
    pub bytes: usize,
    /// Records of documents. Each write also holds the parts of the inventory that name its documents, nearly all of
    /// it where documents are many: with fewer documents a write would be most of all inventory.
    pub records: usize,
}

impl Default for WriteLimits {
    fn default() -> Self {
        Self {
            bytes: 1024 * 1024,
            records: 512,
        }
    }
}
