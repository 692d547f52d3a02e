//! Reads every row in every place, until two readings agree. IO: the sessions.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;

use super::Runner;
use super::engine::{EngineClient, Limit, Session};
use crate::drill::model::{Address, AttemptStep, AuditAnswer, LaneKind, ReadPlace};

/// How often everything is read at most.
const READINGS: usize = 15;
/// The pause between two readings.
const PAUSE: Duration = Duration::from_secs(1);
/// How long all rows of one place may take.
const ROWS: Duration = Duration::from_secs(20);

impl<E: EngineClient> Runner<'_, E> {
    /// The answers of the last reading.
    pub(super) async fn read_all(&self) -> Vec<AuditAnswer> {
        let mut places = vec![(ReadPlace::Write, self.spec.write.clone())];
        places.extend(
            self.spec
                .read
                .iter()
                .map(|read| (ReadPlace::Read, read.clone())),
        );
        for lane in &self.spec.lanes {
            if let LaneKind::Member(member) = &lane.kind {
                places.push((ReadPlace::Member(member.clone()), self.place(member, lane)));
            }
        }
        let mut before = Vec::new();
        for _ in 0..READINGS {
            let answers = join_all(
                places
                    .iter()
                    .map(|(place, address)| self.read_place(place, address)),
            )
            .await;
            if answers == before && answers.iter().all(|answer| answer.error.is_none()) {
                return answers;
            }
            before = answers;
            sleep(PAUSE).await;
        }
        before
    }

    async fn read_place(&self, place: &ReadPlace, address: &Address) -> AuditAnswer {
        let read = async {
            let (mut session, _) = self.meet(address, 0).await?;
            let rows = Limit(ROWS).of(session.rows(), AttemptStep::Statement).await;
            session.close().await;
            rows
        };
        let (rows, error) = match read.await {
            Ok(rows) => (rows, None),
            Err(broken) => (
                BTreeMap::new(),
                Some(format!("{}: {}", broken.code, broken.words)),
            ),
        };
        AuditAnswer {
            place: place.clone(),
            error,
            rows,
        }
    }
}
