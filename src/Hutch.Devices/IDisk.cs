namespace Hutch.Devices;

/// <summary>A disk, as the machine's owner sees it besides its device. Called while the machine is stopped.</summary>
public interface IDisk
{
    /// <summary>The device's name.</summary>
    string Name { get; }

    /// <summary>Why storage failed requests that wait to be made again when the machine goes on; null where none waits.</summary>
    string? Trouble { get; }

    /// <summary>Length in bytes.</summary>
    long LengthBytes { get; }

    /// <summary>Makes the disk longer, and tells the guest. Throws <see cref="ConfigException"/>.</summary>
    void Grow(long lengthBytes);
}
