//! Op identities: the `(src, seq)` under which the server knows an op, for ever. The counter is here; a `Doc` takes the
//! next number by `Upstream::next_id`, when the op is queued where there is a log, and else when it is first sent.
//!
//! `src` is what the driver chose for this host, so that no two hosts name ops alike. An application that
//! sets the connection's id names ops by that, where its numbers survive the host: the next host of the same id has to go
//! on counting, or the server would take its ops for duplicates.
//!
//! What it refuses to do: give the same identity twice.

use proxy_doc::Seq;

/// Under which identity the next op is sent.
#[derive(Debug)]
pub(crate) struct OpIds {
    /// The driver's choice for this host.
    host_src: Option<String>,
    /// The connection's id, be it only asked for yet.
    connection_id: Option<String>,
    /// The application chose the connection's id.
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

    /// The server gave the connection an id.
    pub(crate) fn set_connection_id(&mut self, id: String) {
        self.connection_id = Some(id);
    }

    /// The application chooses the connection's id, or leaves it to the driver.
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

    /// The `src` whose next number the log has to keep: an id that the application chose is one of later hosts, too.
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
