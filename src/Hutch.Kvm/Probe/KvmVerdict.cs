namespace Hutch.Kvm.Probe;

/// <summary>What /dev/kvm is good for. Each value is reached by what a call or an instruction did, not by what something promised.</summary>
internal enum KvmVerdict
{
    /// <summary>Every instruction ran: it can run a stock kernel.</summary>
    Hardware,

    /// <summary>PVM, which interprets ring 0 and does not know instructions that a stock kernel needs.</summary>
    Pvm,

    /// <summary>Another KVM that does not execute what a stock kernel needs.</summary>
    Incomplete,

    /// <summary>There is no /dev/kvm, or no driver behind it.</summary>
    NoDevice,

    /// <summary>This user may not open it.</summary>
    NoRights,

    /// <summary>Its interface has another version, or lacks capabilities.</summary>
    TooOld,

    /// <summary>Another hypervisor holds the CPU's virtualisation.</summary>
    Busy,

    /// <summary>The kernel refused a call for another reason.</summary>
    Refused,
}
