using System;
using System.Runtime.CompilerServices;
using System.Threading.Tasks;

namespace Hutch.Devices.Storage;

/// <summary>An operation of storage that a request waits for, without a thread and without memory.</summary>
internal struct PendingOperation
{
    private ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _operation;

    /// <summary>
    /// True: it is complete already; what it throws is thrown. False: it is in flight, and nothing of its request may be touched until
    /// <paramref name="completed"/> was called, on any thread: perhaps before this returns.
    /// </summary>
    internal bool TryFinish(ValueTask operation, Action completed)
    {
        if (operation.IsCompleted)
        {
            operation.GetAwaiter().GetResult();
            return true;
        }
        _operation = operation.ConfigureAwait(false).GetAwaiter();
        _operation.UnsafeOnCompleted(completed);
        return false;
    }

    /// <summary>After the call of what it was given: throws what the operation throws.</summary>
    internal readonly void Finish() => _operation.GetResult();
}
