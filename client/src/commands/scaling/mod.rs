//! `dasklike scaling`: what autoscaling decided and why, and what another policy would have cost.

mod replay;

#[cfg(feature = "kube")]
use super::kubernetes::ShowScalingArgs;
use anyhow::Result;

/// Show what autoscaling decided and why, or replay its log under another policy
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ScalingArgs {
    #[command(subcommand)]
    replay: Option<ScalingCommand>,
    #[cfg(feature = "kube")]
    #[command(flatten)]
    show: Option<ShowScalingArgs>,
}

#[derive(Debug, clap::Subcommand)]
enum ScalingCommand {
    Replay(replay::ReplayArgs),
}

impl ScalingArgs {
    pub(crate) fn run(self) -> Result<()> {
        if let Some(ScalingCommand::Replay(args)) = self.replay {
            return args.run();
        }
        #[cfg(feature = "kube")]
        if let Some(args) = self.show {
            return args.run();
        }
        anyhow::bail!("say `dasklike scaling replay FILE`")
    }
}
