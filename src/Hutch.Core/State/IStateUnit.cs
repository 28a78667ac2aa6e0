namespace Hutch.Core.State;

/// <summary>
/// A part of the machine that starts, stops, resets, and whose state can be saved and restored.
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

    /// <summary>
    /// Passes the state out (when it is saved) or in (when it is restored), of a unit that is stopped. A unit that is restored has just been reset, and
    /// those created before it have been restored; it drives its wires to where they were. Throws <see cref="StateException"/>.
    /// </summary>
    void Exchange(StateFields fields);
}
