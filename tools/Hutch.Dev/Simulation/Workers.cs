using System;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Threading;

namespace Hutch.Dev.Simulation;

/// <summary>Does numbered steps on as many threads as there are CPUs, and says every minute how far it has come.</summary>
internal sealed class Workers
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly string _what;
    private readonly long _goal, _start = Stopwatch.GetTimestamp();
    private readonly Func<int, int, int> _step;
    private long _done, _next = -1;
    private ExceptionDispatchInfo? _failure;

    private Workers(string what, long goal, Func<int, int, int> step) => (_what, _goal, _step) = (what, goal, step);

    /// <summary>Returns how many were done: the goal, or a little more. The first step that throws ends all, and its exception is thrown.</summary>
    /// <param name="what">What is counted, in the plural.</param>
    /// <param name="goal">How many are to be done.</param>
    /// <param name="step">Takes the number of its thread and its own, from 0, and returns how many of what is counted it did.</param>
    internal static long Run(string what, long goal, Func<int, int, int> step) => new Workers(what, goal, step).Run();

    private long Run()
    {
        Thread[] threads = new Thread[Environment.ProcessorCount];
        for (int i = 0; i < threads.Length; i++)
        {
            int worker = i;
            threads[i] = new Thread(() => Work(worker)) { Name = $"worker {i}" };
            threads[i].Start();
        }
        foreach (Thread thread in threads)
            while (!thread.Join(Interval)) Console.WriteLine($"  {Interlocked.Read(ref _done)} of {_goal} {_what} after {Stopwatch.GetElapsedTime(_start).TotalMinutes:F0} min");
        _failure?.Throw();
        return _done;
    }

    private void Work(int worker)
    {
        try
        {
            while (Volatile.Read(ref _failure) is null && Interlocked.Read(ref _done) < _goal)
                Interlocked.Add(ref _done, _step(worker, (int)Interlocked.Increment(ref _next)));
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(e), null);
        }
    }
}
