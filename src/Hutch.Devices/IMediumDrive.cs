using Hutch.Model.Machine;

namespace Hutch.Devices;

/// <summary>A drive whose medium can be changed while the guest runs. Called while the machine is stopped.</summary>
public interface IMediumDrive
{
    /// <summary>The drive's name.</summary>
    string Name { get; }

    /// <summary>The guest keeps the medium: it has it mounted, for instance.</summary>
    bool IsLocked { get; }

    /// <summary>Asks the guest to give the medium up, as the drive's button does.</summary>
    void PressEject();

    /// <summary>Takes the medium out and puts another in. Throws <see cref="ConfigException"/>, with nothing changed.</summary>
    /// <param name="medium">The new one; null: none.</param>
    void Change(DiskConfig? medium);
}
