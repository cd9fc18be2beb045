//! What `mtbridge token` and `mtbridge key` have in common: both are listed, renamed, revoked and rotated by their id.

use clap::Args;
use reqwest::Method;

use super::{
    arguments::{Body, segment},
    output::{Output, confirm, minted},
    remote::{Hub, Query},
    table::Column,
};

/// Which one.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Its id, tok_… or key_…
    #[arg(value_parser = segment)]
    id: String,
}

/// Another name for one.
#[derive(Debug, Args)]
pub(super) struct Rename {
    #[command(flatten)]
    which: Named,
    /// For people
    name: String,
}

/// The end of one.
#[derive(Debug, Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    which: Named,
    /// Do not ask first
    #[arg(short, long)]
    yes: bool,
}

/// A new one in the place of one.
#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    which: Named,
    /// How long the old one is still good, seconds [default: a day]
    #[arg(long, value_name = "SECONDS")]
    overlap: Option<u64>,
}

/// One of the two kinds at a hub.
pub(super) struct Secrets<'a> {
    pub(super) hub: &'a Hub,
    pub(super) out: Output,
    /// What it is called: the field of a new one's value, and in the plural the path.
    pub(super) kind: &'static str,
    pub(super) path: &'static str,
    pub(super) columns: &'static [Column],
}

impl Secrets<'_> {
    pub(super) async fn list(&self) -> anyhow::Result<()> {
        self.out.list(self.hub, &[self.path], &Query::new(), None, self.columns).await
    }

    /// One, with everything that is known of it.
    pub(super) async fn show(&self, Named { id }: &Named, columns: &[Column]) -> anyhow::Result<()> {
        self.out.one(&self.hub.call(Method::GET, &[self.path, id], &Query::new(), None).await?, columns)
    }

    /// Makes one; its value is shown this once.
    pub(super) async fn create(&self, body: Body) -> anyhow::Result<()> {
        let made = self.hub.call(Method::POST, &[self.path], &Query::new(), Some(&body.value())).await?;
        minted(self.out, &made, self.kind)
    }

    pub(super) async fn rename(&self, Rename { which: Named { id }, name }: &Rename) -> anyhow::Result<()> {
        let body = Body::default().with("name", name.as_str()).value();
        self.out.one(&self.hub.call(Method::PATCH, &[self.path, id], &Query::new(), Some(&body)).await?, self.columns)
    }

    pub(super) async fn revoke(&self, Revoke { which: Named { id }, yes }: &Revoke) -> anyhow::Result<()> {
        confirm(&format!("revoke {id} for good?"), *yes)?;
        self.hub.call(Method::DELETE, &[self.path, id], &Query::new(), None).await?;
        self.out.note(&format!("{id} is revoked"));
        Ok(())
    }

    pub(super) async fn rotate(&self, Rotate { which: Named { id }, overlap }: &Rotate) -> anyhow::Result<()> {
        let body = Body::default().maybe("overlap_s", *overlap).value();
        let made = self.hub.call(Method::POST, &[self.path, id, "rotate"], &Query::new(), Some(&body)).await?;
        minted(self.out, &made, self.kind)
    }
}
