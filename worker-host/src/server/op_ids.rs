//! Op identities: the `(src, seq)` under which the server knows an op, for ever. The counter is kept here. A `Doc` takes
//! the next seq by `Upstream::next_id`: when the op is queued where there is a log, else when it is first sent.
//!
//! `src` is the driver's choice for this host, so that no two hosts name ops alike. Where the application sets the
//! connection's id, and its seqs survive the host, that id is the `src`: the next host of the same id must continue the
//! count, or the server would take its ops for duplicates.
//!
//! What it refuses to do: give the same identity twice.

use proxy_doc::Seq;

/// The identity under which the next op is sent.
#[derive(Debug)]
pub(crate) struct OpIds {
    /// The driver's choice for this host.
    host_src: Option<String>,
    /// The connection's id, or the id that the handshake proposes.
    connection_id: Option<String>,
    /// Whether the application chose the connection's id.
    is_chosen: bool,
    /// The number of the next op.
    next_seq: Seq,
}

impl OpIds {
    /// `host_src`: see [`crate::Options::src`].
    pub(crate) fn new(host_src: Option<String>) -> Self {
        Self {
            connection_id: host_src.clone(),
            host_src,
            is_chosen: false,
            next_seq: Seq(1),
        }
    }

    /// The connection's id.
    pub(crate) fn connection_id(&self) -> Option<&str> {
        self.connection_id.as_deref()
    }

    /// Sets the id that the server gave the connection.
    pub(crate) fn set_connection_id(&mut self, id: String) {
        self.connection_id = Some(id);
    }

    /// Sets the id that the application chose; `None` leaves the choice to the driver.
    pub(crate) fn choose(&mut self, id: Option<String>) {
        self.is_chosen = id.is_some();
        self.connection_id = id.or_else(|| self.host_src.clone());
    }

    /// The number of the next op.
    pub(crate) fn next_seq(&self) -> Seq {
        self.next_seq
    }

    /// Sets the number of the next op.
    pub(crate) fn set_next_seq(&mut self, seq: Seq) {
        self.next_seq = seq;
    }

    /// The `src` of an op that is made now. `numbers_survive`: the log keeps the next number of a chosen id.
    pub(crate) fn src(&self, numbers_survive: bool) -> Option<&str> {
        let host_src = self.host_src.as_deref();
        self.kept_src(numbers_survive)
            .or(host_src)
            .or(self.connection_id())
    }

    /// [`OpIds::src`], and the number to count up.
    pub(crate) fn src_and_seq(&mut self, numbers_survive: bool) -> (Option<&str>, &mut Seq) {
        let chosen = self.is_chosen && numbers_survive;
        let host_src = self.host_src.as_deref().filter(|_| !chosen);
        let src = host_src.or(self.connection_id.as_deref());
        (src, &mut self.next_seq)
    }

    /// The `src` whose next seq the log has to keep: an id that the application chose, which later hosts use, too.
    pub(crate) fn kept_src(&self, numbers_survive: bool) -> Option<&str> {
        self.connection_id()
            .filter(|_| self.is_chosen && numbers_survive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> OpIds {
        OpIds::new(Some("host".to_owned()))
    }

    #[test]
    fn an_op_is_named_by_its_host_whatever_the_server_calls_the_connection() {
        let mut ids = ids();
        assert_eq!(
            ids.connection_id(),
            Some("host"),
            "what the handshake proposes"
        );
        ids.set_connection_id("server".to_owned());
        assert_eq!(ids.src(true), Some("host"));
        assert_eq!(ids.kept_src(true), None);
    }

    #[test]
    fn a_chosen_id_names_ops_where_its_numbers_survive() {
        let mut ids = ids();
        ids.choose(Some("chosen".to_owned()));
        assert_eq!(ids.src(true), Some("chosen"));
        assert_eq!(ids.kept_src(true), Some("chosen"));
        assert_eq!(ids.src(false), Some("host"));
        assert_eq!(ids.kept_src(false), None);
    }

    #[test]
    fn without_a_choice_of_the_driver_the_connection_names_ops() {
        let mut ids = OpIds::new(None);
        assert_eq!(ids.src(true), None, "no op is named before the handshake");
        ids.set_connection_id("server".to_owned());
        assert_eq!(ids.src_and_seq(true), (Some("server"), &mut Seq(1)));
    }
}
