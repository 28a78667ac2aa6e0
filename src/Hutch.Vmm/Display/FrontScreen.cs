using System.Collections.Generic;
using Hutch.Devices;

namespace Hutch.Vmm.Display;

/// <summary>
/// A machine's screens as the one that people look at: that on which a driver of the guest's shows something, the last of them; before there is one, the first, which firmware knows.
/// Any thread.
/// </summary>
/// <param name="screens">At least one.</param>
internal sealed class FrontScreen(IReadOnlyList<IScreen> screens) : IScreen
{
    /// <inheritdoc/>
    public string Name => Front.Name;

    /// <inheritdoc/>
    public bool IsDriven => Front.IsDriven;

    private IScreen Front
    {
        get
        {
            for (int i = screens.Count - 1; i > 0; i--)
                if (screens[i].IsDriven) return screens[i];
            return screens[0];
        }
    }

    /// <inheritdoc/>
    public void Draw(ScreenFrame frame) => Front.Draw(frame);

    /// <inheritdoc/>
    public bool AskForSize(int width, int height)
    {
        foreach (IScreen screen in screens)
            if (screen.AskForSize(width, height)) return true;
        return false;
    }

    /// <inheritdoc/>
    public LinearMode? SetBootMode() => Front.SetBootMode();
}
