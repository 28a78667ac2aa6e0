using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Nbd;

/// <summary>A run of bytes in one state, as block status tells it.</summary>
/// <param name="LengthBytes">Length in bytes, at least 1.</param>
/// <param name="State">Flags of the context.</param>
internal readonly record struct NbdExtent(long LengthBytes, uint State);

/// <summary>A request of a client in flight.</summary>
internal sealed class NbdRequest
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What.</summary>
    internal required NbdCommand Command { get; init; }

    /// <summary>How.</summary>
    internal NbdCommandFlags Flags { get; init; }

    /// <summary>Where, in bytes.</summary>
    internal long Offset { get; init; }

    /// <summary>How many bytes.</summary>
    internal uint LengthBytes { get; init; }

    /// <summary>Memory of a read or a write, of that length.</summary>
    internal IoVector Memory { get; init; }

    /// <summary>What block status told so far.</summary>
    internal List<NbdExtent> Extents { get; } = [];

    /// <summary>Bytes of a read that have come.</summary>
    internal long ReceivedBytes { get; set; }

    /// <summary>The first error that came; 0 for none.</summary>
    internal int Errno { get; set; }

    /// <summary>What the server said about it.</summary>
    internal string Message { get; set; } = "";

    /// <summary>Completes when the answer has come; fails where the connection is lost before.</summary>
    internal Task Done => _done.Task;

    /// <summary>The answer is complete.</summary>
    internal void Complete() => _done.SetResult();

    /// <summary>There will be no answer.</summary>
    internal void Lose(System.Exception reason) => _done.TrySetException(reason);
}
