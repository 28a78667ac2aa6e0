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

    /// <summary>The machine was asked and refused.</summary>
    Refused,

    /// <summary>The machine gave no answer.</summary>
    NoAnswer,

    /// <summary>An argument cannot be.</summary>
    BadArgument,
}
