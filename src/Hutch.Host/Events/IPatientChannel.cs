namespace Hutch.Host.Events;

/// <summary>A channel whose peer can be stuck: a pipe that nobody reads, a stopped terminal.</summary>
public interface IPatientChannel : ICharacterChannel
{
    /// <summary>The machine is being ended from outside: no write waits any more, and the last flush takes half a second at most. Any thread.</summary>
    void LosePatience();
}
