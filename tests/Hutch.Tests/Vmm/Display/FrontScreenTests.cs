using Hutch.Devices;
using Hutch.Vmm.Display;
using Xunit;

namespace Hutch.Tests.Vmm.Display;

/// <summary>Which of a machine's screens people look at.</summary>
public sealed class FrontScreenTests
{
    [Fact]
    public void The_last_screen_with_a_driver_is_in_front_and_without_drivers_the_first()
    {
        PaintedScreen first = new(), second = new(), third = new();
        second.Resize(64, 10);
        third.Resize(64, 20);
        FrontScreen front = new([first, second, third]);
        Assert.Equal(150, HeightOf(front));
        second.IsDriven = true;
        Assert.Equal(10, HeightOf(front));
        third.IsDriven = true;
        Assert.Equal(20, HeightOf(front));
        (second.IsDriven, third.IsDriven) = (false, false);
        Assert.Equal(150, HeightOf(front));
    }

    [Fact]
    public void A_size_is_asked_of_the_first_screen_that_hears_it()
    {
        PaintedScreen first = new(), second = new();
        FrontScreen front = new([first, second]);
        Assert.False(front.AskForSize(64, 48));
        second.CanBeAsked = true;
        Assert.True(front.AskForSize(64, 48));
        Assert.Equal((150, 48), (HeightOf(first), HeightOf(second)));
    }

    private static int HeightOf(IScreen screen)
    {
        ScreenFrame frame = new();
        screen.Draw(frame);
        return frame.Height;
    }
}
