//! Which devices are there: what each of them shows by presence, for as long as it goes on to show it.

use proxy_doc::Gather;

use super::machine::Time;
use super::messages::{About, Device, DeviceEvent, Own, Tell};
use super::record::{Document, Known};

/// Milliseconds that a device has to show itself by another tab, or over another socket, before it is gone.
const GRACE: u64 = 2_000;

/// What is heard under one id of presence.
#[derive(Debug)]
struct Peer {
    key: String,
    about: About,
    /// When it came and when it was heard of last, in milliseconds since 1970.
    since: u64,
    seen: u64,
    /// When it is gone, by the monotonic clock.
    gone_at: u64,
}

/// The devices that are there.
#[derive(Debug)]
pub(super) struct Peers {
    device: String,
    ttl: u64,
    /// When this tab came, by the monotonic clock.
    began: Option<u64>,
    peers: Vec<Peer>,
    own: Own,
    present: Vec<Device>,
    known: Vec<Device>,
    /// What was shown last, and when.
    shown: Option<(About, u64)>,
    /// Somebody may not have heard what was shown last.
    is_asked: bool,
}

impl Peers {
    pub(super) fn new(device: String, ttl: u64) -> Self {
        Self {
            device,
            ttl,
            began: None,
            peers: Vec::new(),
            own: Own::default(),
            present: Vec::new(),
            known: Vec::new(),
            shown: None,
            is_asked: false,
        }
    }

    pub(super) fn own(&self) -> &Own {
        &self.own
    }

    pub(super) fn present(&self) -> &[Device] {
        &self.present
    }

    pub(super) fn set_own(&mut self, own: Own) {
        self.own = own;
    }

    pub(super) fn hear(&mut self, time: Time, key: String, about: Option<About>) {
        let at = self.peers.iter().position(|peer| peer.key == key);
        let Some(about) = about else {
            if let Some(at) = at {
                let peer = &mut self.peers[at];
                peer.gone_at = peer.gone_at.min(time.now + GRACE);
            }
            return;
        };
        let known = self.peers.iter();
        let known = known.filter(|peer| peer.about.device == about.device);
        let since = known.map(|peer| peer.since).min();
        self.is_asked |= since.is_none();
        let seen = about.stamp.unwrap_or(time.wall);
        let came = seen.saturating_sub(about.age);
        let peer = Peer {
            key,
            since: since.map_or(came, |since| since.min(came)),
            seen,
            gone_at: time.now + about.ttl,
            about,
        };
        match at {
            Some(at) => self.peers[at] = peer,
            None => self.peers.push(peer),
        }
    }

    /// Takes out who is gone, and tells what changed.
    pub(super) fn observe(
        &mut self,
        time: Time,
        document: Option<&Document>,
        told: &mut Vec<Tell>,
    ) {
        let began = *self.began.get_or_insert(time.now);
        self.peers.retain(|peer| peer.gone_at > time.now);
        let mut present = vec![self.own_device(time, began)];
        for peer in &self.peers {
            let device = device_of(peer);
            if device.id == self.device {
                continue;
            }
            match present.iter_mut().find(|known| known.id == device.id) {
                Some(known) if known.seen <= device.seen => *known = device,
                Some(_) => {}
                None => present.push(device),
            }
        }
        let known = document.map_or_else(Vec::new, |document| {
            let rows = document.known.iter();
            rows.map(|row| known_device(&row.value)).gather()
        });
        let mut events = changes(&self.present, &present, &self.device);
        // One that seems to have gone may be there, and take this one for gone: it hears that it is not alone.
        self.is_asked |= events.iter().any(is_leave);
        if self.present != present || self.known != known {
            (self.present, self.known) = (present, known);
            told.push(Tell::Devices {
                present: self.present.clone(),
                known: self.known.clone(),
            });
        }
        told.append(&mut events);
    }

    fn own_device(&self, time: Time, began: u64) -> Device {
        let age = time.now - began;
        Device {
            id: self.device.clone(),
            name: self.own.name.clone(),
            kind: self.own.kind.clone(),
            can: self.own.can.clone(),
            tabs: self.own.tabs.len() as u64,
            since: self
                .present
                .first()
                .map_or(time.wall.saturating_sub(age), |own| own.since),
            // It is always seen.
            seen: 0,
        }
    }

    fn about(&self, now: u64) -> About {
        About {
            device: self.device.clone(),
            name: self.own.name.clone(),
            kind: self.own.kind.clone(),
            can: self.own.can.clone(),
            tabs: self.own.tabs.len() as u64,
            age: now - self.began.unwrap_or(now),
            ttl: self.ttl,
            stamp: None,
        }
    }

    /// What is to be shown now: `Some(None)` is nothing any more.
    pub(super) fn next_show(&mut self, now: u64) -> Option<Option<About>> {
        if !self.own.leads {
            return self.shown.take().map(|_| None);
        }
        let about = self.about(now);
        let is_due = self.shown.as_ref().is_none_or(|(before, at)| {
            let is_same = About {
                age: about.age,
                ..before.clone()
            } == about;
            !is_same || self.is_asked || (self.has_others() && now >= at + self.ttl / 3)
        });
        self.is_asked = false;
        if !is_due {
            return None;
        }
        self.shown = Some((about.clone(), now));
        Some(Some(about))
    }

    fn has_others(&self) -> bool {
        self.present.len() > 1
    }

    /// When something is to be done, by the monotonic clock.
    pub(super) fn wake_at(&self) -> Option<u64> {
        let gone = self.peers.iter().map(|peer| peer.gone_at).min();
        let shown = self.shown.as_ref().filter(|_| self.has_others());
        let beat = shown.map(|(_, at)| at + self.ttl / 3);
        gone.into_iter().chain(beat).min()
    }
}

fn device_of(peer: &Peer) -> Device {
    let About {
        device,
        name,
        kind,
        can,
        tabs,
        ..
    } = peer.about.clone();
    Device {
        id: device,
        name,
        kind,
        can,
        tabs,
        since: peer.since,
        seen: peer.seen,
    }
}

fn known_device(known: &Known) -> Device {
    Device {
        id: known.id.clone(),
        name: known.name.clone(),
        kind: known.kind.clone(),
        ..Device::default()
    }
}

fn is_leave(tell: &Tell) -> bool {
    let Tell::Device { event, .. } = tell else {
        return false;
    };
    matches!(event, DeviceEvent::Leave)
}

/// What happened between two looks, but for the own device.
fn changes(before: &[Device], after: &[Device], own: &str) -> Vec<Tell> {
    let mut events = Vec::new();
    let mut note = |event, device: &Device| {
        if device.id != own {
            let device = device.clone();
            events.push(Tell::Device { event, device });
        }
    };
    for device in after {
        match before.iter().find(|known| known.id == device.id) {
            None => note(DeviceEvent::Join, device),
            Some(known) => {
                // When it came is told anew each time, and never the same to the millisecond.
                let is_same = Device {
                    since: known.since,
                    seen: known.seen,
                    ..device.clone()
                } == *known;
                if !is_same {
                    note(DeviceEvent::Change, device);
                }
            }
        }
    }
    for device in before {
        if !after.iter().any(|known| known.id == device.id) {
            note(DeviceEvent::Leave, device);
        }
    }
    events
}
