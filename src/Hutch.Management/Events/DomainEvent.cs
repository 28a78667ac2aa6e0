using System;
using Hutch.Management.Domains;

namespace Hutch.Management.Events;

/// <summary>Something happened to a domain.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Uuid">Its UUID.</param>
/// <param name="Id">Its id at that moment.</param>
/// <param name="Change">What happened.</param>
/// <param name="Cause">Why.</param>
public sealed record DomainEvent(string Name, Guid Uuid, int Id, DomainChange Change, DomainCause Cause) : ManagementEvent(Name, Uuid);

/// <summary>What can happen to a domain.</summary>
public enum DomainChange
{
    /// <summary>A definition is kept.</summary>
    Defined,

    /// <summary>Another definition than before is kept.</summary>
    Redefined,

    /// <summary>No definition is kept any more.</summary>
    Undefined,

    /// <summary>It has a machine.</summary>
    Started,

    /// <summary>Its vCPUs stand.</summary>
    Suspended,

    /// <summary>They run.</summary>
    Resumed,

    /// <summary>It began anew.</summary>
    Rebooted,

    /// <summary>Its machine is about to end.</summary>
    ShuttingDown,

    /// <summary>It has no machine any more.</summary>
    Stopped,
}
