using System;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Hutch.Host.DiskIo;

/// <summary>
/// Awaited before work that takes the CPU for long: goes on on the thread pool where the caller is on the thread that carries out everybody's requests, and
/// right away elsewhere.
/// </summary>
public readonly struct PoolThread : ICriticalNotifyCompletion
{
    [ThreadStatic]
    private static bool t_servesAll;

    /// <summary>The calling thread carries out everybody's requests.</summary>
    internal static void Mark() => t_servesAll = true;

    /// <summary>For await.</summary>
    public PoolThread GetAwaiter() => this;

    /// <summary>This thread may work for long.</summary>
    public bool IsCompleted => !t_servesAll;

    /// <inheritdoc/>
    public void OnCompleted(Action continuation) => ThreadPool.QueueUserWorkItem(static action => action(), continuation, preferLocal: false);

    /// <inheritdoc/>
    public void UnsafeOnCompleted(Action continuation) => ThreadPool.UnsafeQueueUserWorkItem(static action => action(), continuation, preferLocal: false);

    /// <summary>For await.</summary>
    public void GetResult() { }
}
