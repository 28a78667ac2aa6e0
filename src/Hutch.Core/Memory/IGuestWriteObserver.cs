namespace Hutch.Core.Memory;

/// <summary>Told when the host side (a device, a loader) wrote guest RAM, so that an engine can drop translated code.</summary>
public interface IGuestWriteObserver
{
    /// <summary>Bytes were written. Called after the bytes are visible, on the writer's thread.</summary>
    void OnHostWrite(ulong address, ulong lengthBytes);
}
