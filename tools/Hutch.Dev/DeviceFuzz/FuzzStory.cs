using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>What a random guest and a random world do to one device, from power-on. The seed decides it all but what threads of the device do meanwhile.</summary>
internal static class FuzzStory
{
    /// <summary>The most actions of one story: a new one finds a new machine.</summary>
    internal const int MostActions = 2000;

    private const int PauseEvery = 16;

    /// <summary>Tells one. What a device throws leaves it.</summary>
    /// <param name="kind">The device.</param>
    /// <param name="seed">The story's number.</param>
    /// <param name="actions">How many actions it has.</param>
    /// <param name="reach">Counts how far it comes.</param>
    /// <param name="before">Called before each action with its number from 0.</param>
    internal static void Tell(FuzzedDevice kind, int seed, int actions, FuzzReach reach, Action<int> before)
    {
        Random random = new(seed);
        using FuzzMachine machine = new(kind, seed, reach);
        FuzzDriver driver = kind.Driver(machine, random);
        for (int i = 0; i < actions; i++)
        {
            before(i);
            switch (random.Next(1000))
            {
                case 0: machine.ResetAll(); break;
                case < 3: machine.SaveAndRestore(); break;
                case < 100: FuzzWorld.Act(machine, random); break;
                default: driver.Act(); break;
            }
            machine.Settle();
            if (i % PauseEvery == 0) machine.Pause();
        }
        machine.SaveAndRestore();
    }
}
