//! Groups that pass: where the walk over a tile comes to all elements of a group before it comes to the next one, as
//! with months of a series, a state of one group at a time is enough. Results are read off it as groups end.

use crate::stage::{DomainDim, Groups, Pass, ReduceSink, Sink, Stage};

/// Whether the groups of a sink pass in every tile: the tile has all elements of its cells, groups rise along their
/// dim, and no other dim makes the walk come back.
pub fn groups_pass(stage: &Stage, pass: &Pass, sink: &ReduceSink) -> bool {
    let Some(groups) = &sink.groups else {
        return false;
    };
    let dims = || pass.domain.iter().enumerate();
    let others = dims().filter(|(d, _)| *d != groups.dim);
    (sink.is_local() || is_whole(stage, pass, sink))
        && parts(stage, &pass.domain[groups.dim]) <= 1
        && others.map(|(_, dim)| cells(stage, dim)).all(|n| n <= 1)
        && no_other_groups(pass, groups)
        && rise(groups)
}

/// Whether nothing else in the pass cuts cells by the labels of another dim.
fn no_other_groups(pass: &Pass, groups: &Groups) -> bool {
    let all = pass.sinks.iter().filter_map(|sink| match sink {
        Sink::Reduce(r) => r.groups.as_ref(),
        Sink::Emit { .. } => None,
    });
    all.map(|other| other.dim).all(|dim| dim == groups.dim)
}

/// Whether a tile holds all elements that its cells reduce.
fn is_whole(stage: &Stage, pass: &Pass, sink: &ReduceSink) -> bool {
    let is_kept = |d: usize| {
        let mut kept = sink.kept.iter();
        kept.any(|k| pass.domain[*k].stage_dim == Some(d))
    };
    let mut dims = stage.dims.iter().enumerate();
    dims.all(|(d, dim)| is_kept(d) || dim.tiles.count() <= 1)
}

/// Into how many tiles a dim is cut.
fn parts(stage: &Stage, dim: &DomainDim) -> u64 {
    dim.stage_dim.map_or(1, |s| stage.dims[s].tiles.count())
}

/// The most cells along a dim of one tile.
fn cells(stage: &Stage, dim: &DomainDim) -> u64 {
    let tiles = dim.stage_dim.map(|s| &stage.dims[s].tiles);
    tiles.map_or(dim.cells.count(), |t| dim.cells.most_within(t))
}

fn rise(groups: &Groups) -> bool {
    let groups = groups.starts.iter().filter_map(|(_, group)| *group);
    groups.is_sorted()
}
