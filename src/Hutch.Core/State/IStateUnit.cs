namespace Hutch.Core.State;

/// <summary>
/// A part of the machine that starts, stops and resets. Saving and restoring join it with snapshots.
/// The state driver calls it from one thread while no vCPU runs.
/// </summary>
public interface IStateUnit
{
    /// <summary>Name for traces and errors, unique in the machine.</summary>
    string Name { get; }

    /// <summary>Begins or goes on to produce work (timers, input). Called before the vCPUs run.</summary>
    void Start();

    /// <summary>Stops producing work; returns when its own threads are quiet. Accepts and holds new work.</summary>
    void Stop();

    /// <summary>Back to power-on state, as a platform reset does.</summary>
    void Reset();
}
