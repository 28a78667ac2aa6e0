namespace Hutch.Model.Control;

/// <summary>
/// One line of a machine's answer: <c>{"type":"progress","done":1,"total":2}</c>, any number of these, then <c>{"type":"done"}</c> or
/// <c>{"type":"error","message":"…"}</c>. The machine answers requests of one connection one after the other.
/// </summary>
/// <param name="Kind">Whether more follows.</param>
/// <param name="Message">One sentence for the user, with an error.</param>
/// <param name="Done">Bytes done, with progress.</param>
/// <param name="Total">Bytes in all, with progress.</param>
/// <param name="Status">The machine's state, where it was asked for.</param>
/// <param name="Details">Where it runs on its host, where that was asked for.</param>
public sealed record VmReply(VmReplyKind Kind, string? Message = null, long Done = 0, long Total = 0, VmStatus? Status = null, VmDetails? Details = null)
{
    /// <summary>What happened, one of <see cref="VmEvent"/>, with <see cref="VmReplyKind.Event"/>; <see cref="Message"/> says more where there is more to say.</summary>
    public string? Event { get; init; }

    /// <summary>The request was carried out.</summary>
    public static VmReply Completed { get; } = new(VmReplyKind.Done);

    /// <summary>The request was refused.</summary>
    public static VmReply Error(string sentence) => new(VmReplyKind.Error, sentence);
}

/// <summary>Kinds of <see cref="VmReply"/>.</summary>
public enum VmReplyKind
{
    /// <summary>The request is being carried out; more follows.</summary>
    Progress,

    /// <summary>It was carried out.</summary>
    Done,

    /// <summary>It was not.</summary>
    Error,

    /// <summary>No answer: something happened to a machine that is watched.</summary>
    Event,
}

/// <summary>What can happen to a machine: the values of <see cref="VmReply.Event"/>.</summary>
public static class VmEvent
{
    /// <summary>Its vCPUs run again.</summary>
    public const string Running = "running";

    /// <summary>They stand; the message says why, where nobody told it to.</summary>
    public const string Paused = "paused";

    /// <summary>It began anew, as its guest or somebody else wanted.</summary>
    public const string Reset = "reset";

    /// <summary>It ends: its guest switched it off.</summary>
    public const string PoweredOff = "powered-off";

    /// <summary>It ends: it was told to.</summary>
    public const string Left = "left";

    /// <summary>It ends: its state was saved.</summary>
    public const string Saved = "saved";

    /// <summary>It ends: it could not go on; the message says why.</summary>
    public const string Failed = "failed";
}

/// <summary>What a machine says of itself.</summary>
/// <param name="Name">Its name.</param>
/// <param name="State"><c>running</c>, <c>paused</c> or <c>saving</c>.</param>
/// <param name="ProcessId">Its process.</param>
/// <param name="Engine">What executes the guest: <c>software</c> or <c>kvm</c>.</param>
/// <param name="Vcpus">Number of vCPUs that are plugged in.</param>
/// <param name="MemoryBytes">Guest RAM in bytes, with what is plugged in.</param>
/// <param name="Reason">Why it is paused, where nobody told it to; a sentence.</param>
public sealed record VmStatus(string Name, string State, int ProcessId, string Engine, int Vcpus, ulong MemoryBytes, string? Reason = null);

/// <summary>What a machine can be doing: the values of <see cref="VmStatus.State"/>.</summary>
public static class VmState
{
    /// <summary>The vCPUs run.</summary>
    public const string Running = "running";

    /// <summary>The vCPUs and the guest's clocks stand.</summary>
    public const string Paused = "paused";

    /// <summary>The state is being written; the vCPUs stand.</summary>
    public const string Saving = "saving";
}
