using System;

namespace Hutch.Management;

/// <summary>Something that a caller asked for cannot be done; the message is a sentence for the user.</summary>
/// <param name="kind">What front ends branch on.</param>
/// <param name="message">Names the object, the cause and the mend.</param>
public sealed class ManagementException(FailureKind kind, string message) : Exception(message)
{
    /// <summary>What front ends branch on.</summary>
    public FailureKind Kind => kind;
}

/// <summary>Why something cannot be done.</summary>
public enum FailureKind
{
    /// <summary>There is no domain of that name, id or UUID.</summary>
    NoDomain,

    /// <summary>There is no network of that name or UUID.</summary>
    NoNetwork,

    /// <summary>There is no storage pool of that name or UUID.</summary>
    NoPool,

    /// <summary>There is no volume of that name, key or path.</summary>
    NoVolume,

    /// <summary>There is one already.</summary>
    Exists,

    /// <summary>Not in the state that the object is in.</summary>
    WrongState,

    /// <summary>A definition asks for what this host or Hutch does not have.</summary>
    Unsupported,

    /// <summary>A document cannot be read.</summary>
    BadDocument,

    /// <summary>The host's system or one of its programs refused.</summary>
    HostFailed,

    /// <summary>The machine was asked and refused.</summary>
    Refused,

    /// <summary>The machine gave no answer.</summary>
    NoAnswer,

    /// <summary>An argument cannot be.</summary>
    BadArgument,
}
