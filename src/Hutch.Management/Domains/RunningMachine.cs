using System.Threading.Tasks;
using Hutch.Management.Machines;
using Hutch.Model.Control;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains;

/// <summary>The machine of a domain that runs. Its state is written by the link's reader alone, and read by any thread.</summary>
internal sealed class RunningMachine
{
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Its definition as it runs; null where it was started by somebody else.</summary>
    internal DomainDefinition? Definition { get; init; }

    /// <summary>The name by which it takes commands.</summary>
    internal required string Machine { get; init; }

    /// <summary>Its process.</summary>
    internal required int Process { get; init; }

    /// <summary>The connection by which it is watched.</summary>
    internal MachineLink Link { get; set; } = null!;

    /// <summary>What it does.</summary>
    internal volatile DomainState State;

    /// <summary>Why.</summary>
    internal volatile DomainCause Cause;

    /// <summary>Why it is paused, as a sentence.</summary>
    internal volatile string? Reason;

    /// <summary>Why it ends, as far as it has said so.</summary>
    internal volatile DomainCause EndCause = DomainCause.Crashed;

    /// <summary>Its last answer to what it has.</summary>
    internal volatile VmStatus Status = null!;

    /// <summary>Completes when it is gone and everybody was told.</summary>
    internal Task Over => _over.Task;

    internal void IsOver() => _over.TrySetResult();
}
