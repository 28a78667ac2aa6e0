using Hutch.Model.Control;

namespace Hutch.Devices;

/// <summary>A memory balloon, as the machine's owner sees it besides its device. Any thread.</summary>
public interface IBalloon
{
    /// <summary>The guest's driver is active.</summary>
    bool HasDriver { get; }

    /// <summary>What it holds, and what the guest has said of its memory. Asks the guest for newer numbers, which are there at a later call.</summary>
    BalloonInfo Look();

    /// <summary>Asks the guest to give up so many bytes, or to take memory back until it has given up no more.</summary>
    void SetTarget(ulong bytes);
}
