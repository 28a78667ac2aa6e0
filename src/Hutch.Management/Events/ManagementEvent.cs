using System;

namespace Hutch.Management.Events;

/// <summary>Something that happened to an object of this host.</summary>
/// <param name="Name">The object's name.</param>
/// <param name="Uuid">Its UUID.</param>
public abstract record ManagementEvent(string Name, Guid Uuid);

/// <summary>A storage pool was defined, started, stopped, …</summary>
/// <param name="Name">Its name.</param>
/// <param name="Uuid">Its UUID.</param>
/// <param name="Change">What happened.</param>
public sealed record PoolEvent(string Name, Guid Uuid, PoolChange Change) : ManagementEvent(Name, Uuid);

/// <summary>What can happen to a storage pool.</summary>
public enum PoolChange
{
    /// <summary>A definition is kept, or another one than before.</summary>
    Defined,

    /// <summary>No definition is kept any more.</summary>
    Undefined,

    /// <summary>Its volumes can be used.</summary>
    Started,

    /// <summary>They no longer can.</summary>
    Stopped,

    /// <summary>Its storage was made.</summary>
    Created,

    /// <summary>Its storage was removed.</summary>
    Deleted,

    /// <summary>Its volumes were looked through again.</summary>
    Refreshed,
}
