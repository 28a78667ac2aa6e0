using System;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Metadata contradicts itself. <see cref="Qcow2Node"/> marks the image and turns it into an I/O error; it leaves the node nowhere.</summary>
internal sealed class Qcow2CorruptException(string message, bool isFatal = true) : Exception(message)
{
    /// <summary>Writing on would do harm: the image is marked corrupt and not written any more.</summary>
    internal bool IsFatal { get; } = isFatal;
}
