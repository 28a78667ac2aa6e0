using System.Threading;
using System.Threading.Tasks;
using Hutch.Model.Machine;

namespace Hutch.Management.Machines;

/// <summary>Starts the processes of machines.</summary>
public interface IMachineStarter
{
    /// <summary>
    /// Starts a machine and returns when it runs and takes commands. It lives on when this process ends. Throws <see cref="ManagementException"/> with what the machine said where it does not start.
    /// </summary>
    /// <param name="definition">The machine.</param>
    /// <param name="isPaused">It does not run before it is told to.</param>
    /// <param name="log">File that what it says is appended to.</param>
    /// <param name="cancellation">Gives it up, and ends it.</param>
    /// <returns>Its process.</returns>
    ValueTask<int> StartAsync(MachineDefinition definition, bool isPaused, string log, CancellationToken cancellation);

    /// <summary>Ends a machine's process at once, as a loss of power does.</summary>
    void Kill(int process);
}
